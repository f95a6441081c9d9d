/** config metadata and config template: what an instance has from its image. */
import { type Command, command, FORMAT_FLAG, group } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { editObject, editText } from "#cli/edit.ts";
import { shape } from "#cli/output/shape.ts";
import { render } from "#cli/output/table.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { readStdin } from "#cli/stdin.ts";
import { METADATA_HELP } from "./help.ts";

const INSTANCE = "[<remote>:]<instance>";
const TEMPLATE = "[<remote>:]<instance> <template>";

const metadataUrl = (name: string) => path("instances", name, "metadata");
const templatesUrl = (name: string) => path("instances", name, "metadata", "templates");

export const METADATA_COMMANDS: readonly Command[] = [
  group("config metadata", "Manage instance metadata files"),
  command({
    name: "config metadata edit",
    usage: INSTANCE,
    summary: "Edit instance metadata files",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      const url = metadataUrl(name);
      await editObject(context, {
        client,
        url,
        help: METADATA_HELP,
        show: (metadata) => toYaml(metadata, shape("metadata")),
      });
    },
  }),
  command({
    name: "config metadata show",
    usage: INSTANCE,
    summary: "Show instance metadata files",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      context.out.text(toYaml(await client.get(metadataUrl(name)), shape("metadata")));
    },
  }),
];

export const TEMPLATE_COMMANDS: readonly Command[] = [
  group("config template", "Manage instance file templates"),
  command({
    name: "config template create",
    usage: TEMPLATE,
    summary: "Create new instance file templates",
    args: [2, 2],
    async run(context, [label = "", template = ""]) {
      const { client, name } = context.resource(label);
      await client.send("POST", templatesUrl(name), templateBody(template, ""));
    },
  }),
  command({
    name: "config template delete",
    usage: TEMPLATE,
    summary: "Delete instance file templates",
    aliases: ["rm"],
    args: [2, 2],
    async run(context, [label = "", template = ""]) {
      const { client, name } = context.resource(label);
      await client.send("DELETE", templatesUrl(name), { query: { path: template } });
    },
  }),
  command({
    name: "config template edit",
    usage: TEMPLATE,
    summary: "Edit instance file templates",
    args: [2, 2],
    async run(context, [label = "", template = ""]) {
      const { client, name } = context.resource(label);
      const url = templatesUrl(name);
      const query = { path: template };
      const text = Deno.stdin.isTerminal()
        ? editText(await (await client.download(url, { query })).text(), ".tpl")
        : readStdin();
      await client.send("POST", url, templateBody(template, text));
    },
  }),
  command({
    name: "config template list",
    usage: INSTANCE,
    summary: "List instance file templates",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [1, 1],
    async run(context, [label = ""], { format }) {
      const { client, name } = context.resource(label);
      const names = await client.get<string[]>(templatesUrl(name));
      const sorted = names.toSorted();
      const rows = sorted.map((one) => [one]);
      context.out.text(render({ header: ["FILENAME"], rows, data: sorted }, format));
    },
  }),
  command({
    name: "config template show",
    usage: TEMPLATE,
    summary: "Show content of instance file templates",
    args: [2, 2],
    async run(context, [label = "", template = ""]) {
      const { client, name } = context.resource(label);
      const reply = await client.download(templatesUrl(name), { query: { path: template } });
      context.out.text(await reply.text());
    },
  }),
];

function templateBody(path: string, body: string) {
  return { query: { path }, body, headers: { "Content-Type": "application/octet-stream" } };
}
