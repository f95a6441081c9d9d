/** snapshot and restore. */
import { type Command, command } from "#cli/command.ts";
import { isNotFound, path } from "#cli/context.ts";

/** "Never", as the API writes it. */
const NEVER = "0001-01-01T00:00:00Z";

export const SNAPSHOT_COMMANDS: readonly Command[] = [
  command({
    name: "snapshot",
    usage: "[<remote>:]<instance> [<snapshot name>]",
    summary: "Create instance snapshots",
    description: "When --stateful is used, LXD attempts to checkpoint the instance's\n" +
      "running state, including process memory state, TCP connections, ...\n\n" +
      "Where the storage pool must copy what a running instance has changed, the instance is\n" +
      "frozen for so long, and the time is printed.",
    examples: [
      { call: "lxc snapshot u1 snap0", what: 'Create a snapshot of "u1" called "snap0".' },
    ],
    flags: {
      "no-expiry": {
        kind: "bool",
        summary: "Ignore any configured auto-expiry for the instance",
      },
      reuse: {
        kind: "bool",
        summary: "If the snapshot name already exists, delete and create a new one",
      },
      stateful: {
        kind: "bool",
        summary: "Whether or not to snapshot the instance's running state",
      },
    },
    args: [1, 2],
    async run(context, [label = "", name = ""], flags) {
      const { client, name: instance } = context.resource(label);
      const url = path("instances", instance, "snapshots");
      if (flags.reuse && name !== "") {
        try {
          await context.operate(client, "DELETE", `${url}/${encodeURIComponent(name)}`);
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }
      const { metadata } = await context.operate(client, "POST", url, {
        json: {
          name,
          stateful: flags.stateful,
          ...(flags["no-expiry"] ? { expires_at: NEVER } : {}),
        },
      });
      const frozenMs = metadata?.["frozen_ms"];
      if (typeof frozenMs === "number") {
        context.out.say(`The instance was frozen for ${frozenMs} ms`);
      }
    },
  }),
  command({
    name: "restore",
    usage: "[<remote>:]<instance> <snapshot>",
    summary: "Restore instances from snapshots",
    description: "If --stateful is passed, then the running state will be restored too.",
    examples: [
      { call: "lxc snapshot u1 snap0", what: "Create the snapshot." },
      { call: "lxc restore u1 snap0", what: "Restore the snapshot." },
    ],
    flags: {
      stateful: {
        kind: "bool",
        summary: "Whether or not to restore the instance's running state from snapshot " +
          "(if available)",
      },
    },
    args: [2, 2],
    async run(context, [label = "", snapshot = ""], { stateful }) {
      const { client, name } = context.resource(label);
      // `instance/snapshot` is accepted as well.
      const restore = snapshot.includes("/") ? snapshot : `${name}/${snapshot}`;
      const json = { restore, stateful };
      await context.operate(client, "PUT", path("instances", name), { json });
    },
  }),
];
