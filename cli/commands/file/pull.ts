/** file pull: from an instance onto this machine. */
import { command, UsageError } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import { baseName, joinPath, parentOf, parseGuestPath } from "./paths.ts";
import { getFile, type Guest, type GuestFile, sideBySide, writePieces } from "./transfer.ts";

export const FILE_PULL = command({
  name: "file pull",
  usage: "[<remote>:]<instance>/<path> [[<remote>:]<instance>/<path>...] <target path>",
  summary: "Pull files from instances",
  examples: [
    {
      call: "lxc file pull foo/etc/hosts .",
      what: "To pull /etc/hosts from the instance and write it to the current directory.",
    },
    { call: "lxc file pull foo/etc/hosts -", what: "To write it to standard output." },
  ],
  flags: {
    "create-dirs": { kind: "bool", short: "p", summary: "Create any directories necessary" },
    recursive: { kind: "bool", short: "r", summary: "Recursively transfer files" },
  },
  args: [2, Infinity],
  async run(context, args, flags) {
    const sources = args.slice(0, -1).map((text) => parseGuestPath(text, "Invalid source"));
    const target = args.at(-1) ?? "";
    const intoFolder = prepareTarget(target, {
      many: sources.length > 1,
      recursive: flags.recursive,
      create: flags["create-dirs"],
    });
    for (const { label, path } of sources) {
      const pull = { context, guest: context.resource(label), recursive: flags.recursive };
      const found = await getFile(pull.guest, path);
      if (found.type === "directory") {
        if (!flags.recursive) throw new UsageError("Can't pull a directory without --recursive");
        await pullTree(pull, path, joinPath(target, baseName(path)), found);
      } else if (target === "-") {
        await writePieces(found.reply.body, Deno.stdout);
      } else {
        const place = intoFolder ? joinPath(target, baseName(path)) : target;
        await pullEntry(pull, path, place, found);
      }
    }
  },
});

interface Pull {
  readonly context: Context;
  readonly guest: Guest;
}

interface Wish {
  readonly many: boolean;
  readonly recursive: boolean;
  readonly create: boolean;
}

/** Make the folders that the target needs. @returns whether files go into it, under their names. */
function prepareTarget(target: string, { many, recursive, create }: Wish): boolean {
  if (target === "-") return false;
  const info = statOf(target);
  if (info?.isDirectory) return true;
  if (info !== undefined) {
    if (many) {
      throw new UsageError("More than one file to download, but target is not a directory");
    }
    return false;
  }
  const isFolder = target.endsWith("/") || many || recursive;
  const folder = isFolder ? target : parentOf(target);
  if (isFolder || create) Deno.mkdirSync(folder, { recursive: create, mode: 0o755 });
  return isFolder;
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function pullTree(
  pull: Pull,
  path: string,
  target: string,
  { mode, entries }: GuestFile,
): Promise<void> {
  Deno.mkdirSync(target, { mode });
  const folders: [path: string, target: string, found: GuestFile][] = [];
  await sideBySide(entries, async (name) => {
    // A name from inside must not lead anywhere else.
    if (name === "" || name === "." || name === ".." || name.includes("/")) {
      throw new Error(`the server sent a bad file name: ${JSON.stringify(name)}`);
    }
    const inside = joinPath(path, name);
    const place = joinPath(target, name);
    const found = await getFile(pull.guest, inside);
    if (found.type === "directory") folders.push([inside, place, found]);
    else await pullEntry(pull, inside, place, found);
  });
  for (const folder of folders) await pullTree(pull, ...folder);
}

async function pullEntry(
  { context }: Pull,
  path: string,
  target: string,
  { type, mode, reply }: GuestFile,
): Promise<void> {
  if (type === "symlink") return Deno.symlinkSync((await reply.text()).trimEnd(), target);
  using file = Deno.openSync(target, { write: true, create: true, truncate: true, mode: 0o600 });

  const size = Number(reply.headers["content-length"] ?? 0);
  const title = `Pulling ${path} to ${target}`;
  await writePieces(reply.body, file, (bytes) => {
    const share = size > 0 ? `${Math.floor(bytes / size * 100)}%` : siBytes(bytes);
    context.out.progress(`${title}: ${share}`);
  });
  if (file.statSync().isFile) Deno.chmodSync(target, mode);
  context.out.done();
}
