/** config edit: an instance, a snapshot or the server as YAML. */
import type { Client } from "#api/client.ts";
import { type Command, command, TARGET_FLAG } from "#cli/command.ts";
import { type Context } from "#cli/context.ts";
import { parseInstance } from "#cli/instance_name.ts";
import { editObject, editYaml } from "#cli/edit.ts";
import { shape } from "#cli/output/shape.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { type Instance, refuseTarget, serverText } from "./config.ts";
import { INSTANCE_HELP, SERVER_HELP, SNAPSHOT_HELP } from "./help.ts";

export const CONFIG_EDIT_COMMANDS: readonly Command[] = [
  command({
    name: "config edit",
    usage: "[<remote>:][<instance>[/<snapshot>]]",
    summary: "Edit instance or server configurations as YAML",
    examples: [{
      call: "lxc config edit <instance> < instance.yaml",
      what: "Update the instance configuration from config.yaml.",
    }],
    flags: TARGET_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { target }) {
      const { client, name } = context.resource(label);
      if (name === "") return await editServer(context, client.onTarget(target));
      refuseTarget(target);
      await editInstance(context, client, name);
    },
  }),
];

async function editServer(context: Context, client: Client): Promise<void> {
  await editObject(context, { client, url: "/1.0", help: SERVER_HELP, show: serverText });
}

/** All of an instance but what its profiles add; `config show` leaves out the rest too. */
function instanceFields(found: Instance): Record<string, unknown> {
  const { expanded_config: _, expanded_devices: __, ...own } = found;
  return own;
}

async function editInstance(context: Context, client: Client, name: string): Promise<void> {
  const { snapshot, url } = parseInstance(name);
  let etag: string | undefined;
  const text = async () => {
    const reply = await client.send<Instance>("GET", url);
    etag = reply.etag;
    return toYaml(
      instanceFields(reply.metadata),
      shape(snapshot === undefined ? "instance" : "snapshot"),
    );
  };
  if (!Deno.stdin.isTerminal()) await client.get(url);
  await editYaml(context, {
    help: snapshot === undefined ? INSTANCE_HELP : SNAPSHOT_HELP,
    text,
    apply: (value) => {
      const { expires_at } = value as { expires_at?: string };
      const json = snapshot === undefined ? value : { expires_at };
      return context.operate(client, "PUT", url, { json, etag });
    },
  });
}
