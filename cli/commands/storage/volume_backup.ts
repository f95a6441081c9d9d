/** storage volume export and import: a custom volume as a tarball. */
import { type Command, command, TARGET_FLAG } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { exportBackup, withProgress } from "#cli/commands/backup.ts";
import { placeOf, wholePlaceOf } from "./volume_names.ts";

export const VOLUME_BACKUP_COMMANDS: readonly Command[] = [
  command({
    name: "storage volume export",
    usage: "[<remote>:]<pool> <volume> [<path>]",
    summary: "Export custom storage volume",
    flags: {
      ...TARGET_FLAG,
      compression: {
        kind: "string",
        summary: "Define a compression algorithm: for backup or none",
      },
      "optimized-storage": {
        kind: "bool",
        summary: "Use storage driver optimized format (can only be restored on a similar pool)",
      },
      "volume-only": { kind: "bool", summary: "Export the volume without its snapshots" },
    },
    args: [2, 3],
    async run(context, [label = "", volume = "", target = "backup.tar.gz"], flags) {
      const { client, url } = wholePlaceOf(context, [label, volume], flags.target);
      await exportBackup(context, client, {
        url: `${url}/backups`,
        title: "Backing up storage volume",
        target,
        wish: {
          volume_only: flags["volume-only"],
          optimized_storage: flags["optimized-storage"],
          compression_algorithm: flags.compression,
        },
      });
    },
  }),
  command({
    name: "storage volume import",
    usage: "[<remote>:]<pool> <backup file> [<volume name>]",
    summary: "Import backups of custom volumes including their snapshots.",
    examples: [{
      call: "lxc storage volume import default backup0.tar.gz",
      what: "Create a new custom volume using backup0.tar.gz as the source.",
    }],
    flags: TARGET_FLAG,
    args: [2, 3],
    async run(context, [label = "", file = "", name = ""], { target }) {
      const { client, pool } = placeOf(context, [label], target);
      using source = file === "-" ? undefined : Deno.openSync(file);

      const size = source?.statSync().size;
      const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
      if (name !== "") headers["X-LXD-name"] = name;
      const stream = withProgress(context, source ?? Deno.stdin, size, "Importing custom volume");
      await context.operate(client, "POST", path("storage-pools", pool, "volumes", "custom"), {
        title: "Importing custom volume",
        headers,
        body: { stream, length: size },
      });
    },
  }),
];
