/** image alias: names of images. */
import { type Command, command, FORMAT_FLAG, group, UsageError } from "#cli/command.ts";
import { type Context, path, type Resource } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { naturalOrder } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import type { Alias } from "./lookup.ts";

const ALIAS = "[<remote>:]<alias>";

function aliasOf(context: Context, label: string): Resource & { url: string } {
  const resource = context.resource(label);
  if (resource.name === "") throw new UsageError("Alias name missing");
  return { ...resource, url: path("images", "aliases", resource.name) };
}

/** Does it fit one of the filters: `key=value` of a field, or the start of alias or fingerprint? */
function aliasFits(alias: Alias, filters: readonly string[]): boolean {
  if (filters.length === 0) return true;
  const fields = new Map(Object.entries(alias));
  return filters.some((filter) => {
    const [key = "", ...value] = filter.split("=");
    if (value.length > 0) return fields.get(key) === value.join("=");
    return alias.name === filter || alias.target.startsWith(filter);
  });
}

export const ALIAS_COMMANDS: readonly Command[] = [
  group("image alias", "Manage image aliases"),
  command({
    name: "image alias create",
    usage: `${ALIAS} <fingerprint>`,
    summary: "Create aliases for existing images",
    args: [2, 2],
    async run(context, [label = "", target = ""]) {
      const { client, name } = aliasOf(context, label);
      await client.send("POST", "/1.0/images/aliases", { json: { name, target } });
    },
  }),
  command({
    name: "image alias delete",
    usage: ALIAS,
    summary: "Delete image aliases",
    aliases: ["rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = aliasOf(context, label);
      await client.send("DELETE", url);
    },
  }),
  command({
    name: "image alias list",
    usage: "[<remote>:] [<filters>...]",
    summary: "List image aliases",
    description: "Filters may be part of the image hash or part of the image alias name.",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, Infinity],
    async run(context, words, { format }) {
      const [first = "", ...rest] = words;
      const isRemote = first.endsWith(":") && !first.includes("=");
      const { client } = context.resource(isRemote ? first : "");
      const filters = isRemote ? rest : words;
      const all = await client.get<Alias[]>("/1.0/images/aliases", { query: { recursion: 1 } });
      const aliases = all.filter((alias) => aliasFits(alias, filters));
      const rows = aliases.map((alias) => [
        alias.name,
        alias.target.slice(0, 12),
        (alias.type || "container").toUpperCase(),
        alias.description,
      ]);
      context.out.text(render({
        header: ["ALIAS", "FINGERPRINT", "TYPE", "DESCRIPTION"],
        rows: rows.toSorted(([a = ""], [b = ""]) => naturalOrder(a, b)),
        data: aliases,
        shape: shape("imageAlias"),
      }, format));
    },
  }),
  command({
    name: "image alias rename",
    usage: `${ALIAS} <new-name>`,
    summary: "Rename aliases",
    aliases: ["mv"],
    args: [2, 2],
    async run(context, [label = "", newName = ""]) {
      const { client, url } = aliasOf(context, label);
      await client.send("POST", url, { json: { name: newName } });
    },
  }),
];
