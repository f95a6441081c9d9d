/** export and import: an instance as a tarball. */
import type { Client } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import { type Command, command } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import { piecesOf, type Source, writePieces } from "./file/transfer.ts";

const KEPT_MS = 24 * 3600 * 1000;

export const BACKUP_COMMANDS: readonly Command[] = [
  command({
    name: "export",
    usage: "[<remote>:]<instance> [target] [--instance-only] [--optimized-storage]",
    summary: "Export instances as backup tarballs.",
    examples: [{
      call: "lxc export u1 backup0.tar.gz",
      what: "Download a backup tarball of the u1 instance.",
    }],
    flags: {
      compression: {
        kind: "string",
        summary: "Compression algorithm to use (none for uncompressed)",
      },
      "instance-only": {
        kind: "bool",
        summary: "Whether or not to only backup the instance (without snapshots)",
      },
      "optimized-storage": {
        kind: "bool",
        summary: "Use storage driver optimized format (can only be restored on a similar pool)",
      },
    },
    args: [1, 2],
    async run(context, [label = "", target = "backup.tar.gz"], flags) {
      const { client, name } = context.resource(label);
      await exportBackup(context, client, {
        url: path("instances", name, "backups"),
        title: "Backing up instance",
        target,
        wish: {
          instance_only: flags["instance-only"],
          container_only: flags["instance-only"],
          optimized_storage: flags["optimized-storage"],
          compression_algorithm: flags.compression,
        },
      });
    },
  }),
  command({
    name: "import",
    lxdName: "restore-backup",
    usage: "[<remote>:] <backup file> [<instance name>]",
    summary: "Import backups of instances including their snapshots.",
    examples: [{
      call: "lxc import backup0.tar.gz",
      what: "Create a new instance using backup0.tar.gz as the source.",
    }],
    flags: { storage: { kind: "string", short: "s", summary: "Storage pool name" } },
    args: [1, 3],
    async run(context, args, { storage }) {
      const { remote, file, name } = splitImport(args);
      const { client } = context.resource(remote);
      using source = file === "-" ? undefined : Deno.openSync(file);

      const size = source?.statSync().size;
      const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
      if (storage !== "") headers["X-LXD-pool"] = storage;
      if (name !== "") headers["X-LXD-name"] = name;
      const stream = withProgress(context, source ?? Deno.stdin, size);
      await context.operate(client, "POST", "/1.0/instances", {
        title: "Importing instance",
        headers,
        body: { stream, length: size },
      });
    },
  }),
];

/** The remote, with its colon, may stand before the file. Pure. */
export function splitImport(args: readonly string[]) {
  const [first = ""] = args;
  const hasRemote = args.length > 1 && first.endsWith(":");
  const [file = "", name = ""] = hasRemote ? args.slice(1) : args;
  return { remote: hasRemote ? first : "", file, name };
}

/** Make a backup, download it to a file ("-": standard output) and delete it on the server. */
export async function exportBackup(
  context: Context,
  client: Client,
  options: {
    /** Of the list of backups. */
    readonly url: string;
    readonly title: string;
    readonly target: string;
    /** The body of the request, but for name and expiry. */
    readonly wish: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const { url, title, target, wish } = options;
  // The server forgets it by itself should this client not come to delete it.
  const expires_at = new Date(Date.now() + KEPT_MS).toISOString();
  const json = { name: "", expires_at, ...wish };
  const operation = await context.operate(client, "POST", url, { title, json });
  const backup = `${url}/${nameFrom(operation)}`;
  try {
    await download(context, await client.download(`${backup}/export`), target);
  } finally {
    await context.operate(client, "DELETE", backup);
  }
  if (target !== "-") context.out.say("Backup exported successfully!");
}

/** The name that the server gave a backup. */
function nameFrom(operation: OperationObject): string {
  const [url] = operation.resources?.backups ?? [];
  const name = url?.split("?")[0]?.split("/").at(-1);
  if (!name) throw new Error("cannot tell the backup's name: the server did not say it");
  return name;
}

/** Write the archive to a file ("-": standard output); nothing is left of one that failed. */
async function download(
  context: Context,
  reply: { readonly headers: Readonly<Record<string, string>>; body: AsyncIterable<Uint8Array> },
  target: string,
): Promise<void> {
  if (target === "-") return await writePieces(reply.body, Deno.stdout);
  const size = Number(reply.headers["content-length"] ?? 0);
  using file = Deno.openSync(target, { write: true, create: true, truncate: true, mode: 0o600 });

  try {
    await writePieces(reply.body, file, (bytes) => {
      const share = size > 0 ? `${Math.floor(bytes / size * 100)}%` : siBytes(bytes);
      context.out.progress(`Exporting the backup: ${share}`);
    });
  } catch (error) {
    Deno.removeSync(target);
    throw error;
  }
}

/** The bytes of a source, with their share on the terminal. */
export async function* withProgress(
  context: Context,
  source: Source,
  size: number | undefined,
  what = "Importing instance",
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const piece of piecesOf(source)) {
    yield piece;
    sent += piece.length;
    const share = size ? `${Math.floor(sent / size * 100)}%` : siBytes(sent);
    context.out.progress(`${what}: ${share}`);
  }
}
