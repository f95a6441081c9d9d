/** delete: instances and snapshots. */
import type { Client } from "#api/client.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { parseInstance } from "#cli/instance_name.ts";
import { readLine } from "#cli/stdin.ts";

export const DELETE_COMMANDS: readonly Command[] = [
  command({
    name: "delete",
    usage: "[<remote>:]<instance>[/<snapshot>] [[<remote>:]<instance>[/<snapshot>]...]",
    summary: "Delete instances and snapshots",
    aliases: ["rm"],
    flags: {
      force: { kind: "bool", short: "f", summary: "Force the removal of running instances" },
      interactive: { kind: "bool", short: "i", summary: "Require user confirmation" },
    },
    args: [1, Infinity],
    async run(context, names, { force, interactive }) {
      for (const label of names) {
        const { remote, name, client } = context.resource(label);
        if (interactive && !confirm(context, `Remove ${remote}:${name}`)) {
          throw new Error("User aborted delete operation");
        }
        const { instance, snapshot, url } = parseInstance(name);
        // Its URL would be that of all instances.
        if (instance === "") throw new UsageError(`Name an instance: "${label}"`);
        if (snapshot !== undefined) {
          await exists(client, { url, what: "instance snapshot", label: `${remote}:${name}` });
          await context.operate(client, "DELETE", url);
        } else {
          await exists(client, { url, what: "instance", label: `${remote}:${name}` });
          await deleteInstance(context, client, { name, force });
        }
      }
    },
  }),
];

async function exists(
  client: Client,
  { url, what, label }: { url: string; what: string; label: string },
): Promise<void> {
  try {
    await client.get(url);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Error(`Failed checking ${what} exists "${label}": ${reason}`, { cause: error });
  }
}

/** @throws if it runs and `force` is not given. */
export async function deleteInstance(
  context: Context,
  client: Client,
  { name, force }: { name: string; force: boolean },
): Promise<void> {
  const url = path("instances", name);
  const instance = await client.get<{ status: string; ephemeral: boolean }>(url);
  if (instance.status !== "Stopped" && instance.status !== "Error") {
    if (!force) {
      throw new Error("The instance is currently running, stop it first or pass --force");
    }
    await context.operate(client, "PUT", `${url}/state`, {
      json: { action: "stop", timeout: -1, force: true },
    });
    if (instance.ephemeral) return;
  }
  await context.operate(client, "DELETE", url);
}

/** Ask; only "yes" in some form goes on. */
function confirm(context: Context, question: string): boolean {
  context.out.ask(`${question} (yes/no): `);
  return /^y(es)?$/i.test(readLine() ?? "");
}
