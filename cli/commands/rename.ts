/** rename: instances and snapshots. */
import { type Command, command } from "#cli/command.ts";
import { parseInstance } from "#cli/instance_name.ts";

export const RENAME_COMMANDS: readonly Command[] = [
  command({
    name: "rename",
    usage: "[<remote>:]<instance>[/<snapshot>] <instance>[/<snapshot>]",
    summary: "Rename instances and snapshots",
    args: [2, 2],
    async run(context, [source = "", target = ""]) {
      const { name, client } = context.resource(source);
      const renamed = context.split(target);
      if (target.includes(":") && renamed.remote !== context.split(source).remote) {
        throw new Error("Can't specify a different remote for rename");
      }
      const { instance, snapshot, url } = parseInstance(name);
      if (snapshot === undefined) {
        if (renamed.name.includes("/")) {
          throw new Error("Invalid new snapshot name: the source is no snapshot");
        }
        await context.operate(client, "POST", url, { json: { name: renamed.name } });
        return;
      }
      const { instance: parent, snapshot: newName } = parseInstance(renamed.name);
      if (newName === undefined || parent !== instance) {
        throw new Error("Invalid new snapshot name, parent must be the same as source");
      }
      await context.operate(client, "POST", url, { json: { name: newName } });
    },
  }),
];
