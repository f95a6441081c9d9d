/** alias: commands of the user, kept in config.yml. */
import { type Command, command, FORMAT_FLAG, group } from "#cli/command.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";

export const USER_ALIAS_COMMANDS: readonly Command[] = [
  group("alias", "Manage command aliases"),
  command({
    name: "alias add",
    usage: "<alias> <target>",
    summary: "Add new aliases",
    examples: [{
      call: "lxc alias add list 'list -c ns46S'",
      what: 'Overwrite the "list" command to pass -c ns46S.',
    }],
    args: [2, 2],
    run(context, [name = "", target = ""]) {
      const { aliases } = context.config;
      if (aliases.has(name)) throw new Error(`Alias ${name} already exists`);
      aliases.set(name, target);
      context.saveConfig();
      return Promise.resolve();
    },
  }),
  command({
    name: "alias list",
    usage: "",
    summary: "List aliases",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 0],
    run(context, _args, { format }) {
      const { aliases } = context.config;
      context.out.text(render({
        header: ["ALIAS", "TARGET"],
        rows: sortRows([...aliases]),
        data: Object.fromEntries(aliases),
      }, format));
      return Promise.resolve();
    },
  }),
  command({
    name: "alias remove",
    usage: "<alias>",
    summary: "Remove aliases",
    aliases: ["rm"],
    examples: [{ call: "lxc alias remove my-list", what: 'Remove the "my-list" alias.' }],
    args: [1, 1],
    run(context, [name = ""]) {
      const { aliases } = context.config;
      if (!aliases.delete(name)) throw new Error(`Alias ${name} doesn't exist`);
      context.saveConfig();
      return Promise.resolve();
    },
  }),
  command({
    name: "alias rename",
    usage: "<old alias> <new alias>",
    summary: "Rename aliases",
    aliases: ["mv"],
    examples: [{ call: "lxc alias rename list my-list", what: 'Rename "list" to "my-list".' }],
    args: [2, 2],
    run(context, [name = "", newName = ""]) {
      const { aliases } = context.config;
      const target = aliases.get(name);
      if (target === undefined) throw new Error(`Alias ${name} doesn't exist`);
      if (aliases.has(newName)) throw new Error(`Alias ${newName} already exists`);
      aliases.delete(name);
      aliases.set(newName, target);
      context.saveConfig();
      return Promise.resolve();
    },
  }),
];
