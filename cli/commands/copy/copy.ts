/** copy and move: instances, to another name, pool, project or server. */
import { type Command, command, type FlagsOf, UsageError, WrongCount } from "#cli/command.ts";
import { type Context, path, type Resource } from "#cli/context.ts";
import { parseInstance } from "#cli/instance_name.ts";
import { deleteInstance } from "#cli/commands/delete.ts";
import { transfer, TRANSFER_FLAGS } from "./transfer.ts";

const MODES = "Transfer modes (--mode):\n" +
  " - pull: Target server pulls the data from the source server (source must listen on network)\n" +
  " - push: Source server pushes the data to the target server (target must listen on network)\n" +
  " - relay: The CLI connects to both source and server and proxies the data (both source and " +
  "target must listen on network)\n\n" +
  "The pull transfer mode is the default as it is compatible with all LXD versions.";

export const COPY_COMMANDS: readonly Command[] = [
  command({
    name: "copy",
    usage: "[<remote>:]<source>[/<snapshot>] [[<remote>:]<destination>]",
    summary: "Copy instances within or in between LXD servers",
    description: MODES,
    aliases: ["cp"],
    flags: {
      ...TRANSFER_FLAGS,
      ephemeral: { kind: "bool", short: "e", summary: "Ephemeral instance" },
      refresh: { kind: "bool", summary: "Perform an incremental copy" },
    },
    args: [1, 2],
    async run(context, [from = "", to = ""], flags) {
      const source = context.resource(from);
      const target = context.resource(to);
      const { ephemeral, refresh } = flags;
      await transfer(context, { source, target, flags, ephemeral, refresh });
    },
  }),
  command({
    name: "move",
    usage: "[<remote>:]<instance>[/<snapshot>] [<remote>:][<instance>[/<snapshot>]]",
    summary: "Move instances within or in between LXD servers",
    description: MODES,
    aliases: ["mv"],
    examples: [
      {
        call: "lxc move [<remote>:]<source instance> [<remote>:][<destination instance>] " +
          "[--instance-only]",
        what: "Move an instance between two hosts, renaming it if destination name differs.",
      },
      {
        call: "lxc move <old name> <new name> [--instance-only]",
        what: "Rename a local instance.",
      },
      {
        call: "lxc move <instance>/<old snapshot name> <instance>/<new snapshot name>",
        what: "Rename a snapshot.",
      },
    ],
    flags: TRANSFER_FLAGS,
    args: [1, 2],
    run: (context, args, flags) => move(context, args, flags),
  }),
];

type Flags = FlagsOf<typeof TRANSFER_FLAGS>;

async function move(
  context: Context,
  args: readonly string[],
  flags: Flags,
): Promise<void> {
  const relocates = [flags.storage, flags.target, flags["target-project"]].some(Boolean);
  const [from = "", to = ""] = args;
  if (args.length === 1 && !relocates) throw new WrongCount();
  const source = context.resource(from);
  const target = context.resource(to);
  const overrides = flags["no-profiles"] || flags.profile.length > 0 || flags.config.length > 0 ||
    flags.device.length > 0;
  if (source.remote === target.remote && !(relocates && overrides)) {
    if (overrides) {
      throw new UsageError("Can't override configuration or profiles in local rename");
    }
    if (!relocates) return await rename(context, source, target.name);
    return await relocate(context, { source, name: target.name, flags });
  }
  await transfer(context, { source, target, flags, keepsVolatile: true });
  await deleteInstance(context, source.client, { name: source.name, force: true });
}

async function rename(context: Context, source: Resource, newName: string): Promise<void> {
  const { instance, snapshot, url } = parseInstance(source.name);
  const { instance: parent, snapshot: newSnapshot } = parseInstance(newName);
  if (snapshot !== undefined) {
    if (newSnapshot === undefined || parent !== instance) {
      throw new Error("Invalid new snapshot name, parent must be the same as source");
    }
    await context.operate(source.client, "POST", url, { json: { name: newSnapshot } });
    return;
  }
  const json = { name: newName, migration: false };
  await context.operate(source.client, "POST", url, { json });
}

/** To another pool, project or member: the server does it. */
async function relocate(
  context: Context,
  { source, name, flags }: { source: Resource; name: string; flags: Flags },
): Promise<void> {
  const client = source.client.onTarget(flags.target);
  await context.operate(client, "POST", path("instances", source.name), {
    title: "Transferring instance",
    json: {
      name: name || source.name,
      migration: true,
      live: !flags.stateless,
      instance_only: flags["instance-only"],
      pool: flags.storage,
      project: flags["target-project"],
      allow_inconsistent: flags["allow-inconsistent"],
    },
  });
}
