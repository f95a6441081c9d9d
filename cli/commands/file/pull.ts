/** file pull: from an instance onto this machine. */
import { command, UsageError } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import { baseName, joinPath, parentOf, parseGuestPath } from "./paths.ts";
import { openFiles, readBy } from "./sftp.ts";
import { type FoundFile, getFile, sideBySide, writePieces } from "./transfer.ts";

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
    let intoFolder: boolean | undefined;
    for (const { label, path } of sources) {
      const guest = context.resource(label);
      const pull = { context, get: (path: string) => getFile(guest, path) };
      const found = await getFile(guest, path);
      intoFolder ??= prepareTarget(target, {
        many: sources.length > 1,
        tree: flags.recursive && found.type === "directory",
        create: flags["create-dirs"],
      });
      if (found.type === "directory") {
        if (!flags.recursive) throw new UsageError("Can't pull a directory without --recursive");
        using files = await openFiles(guest);
        const get = files === undefined ? pull.get : (path: string) => readBy(files, path);
        await pullTree({ context, get }, path, joinPath(target, baseName(path)), found);
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
  /** Asks the instance. */
  readonly get: (path: string) => Promise<FoundFile>;
}

interface Wish {
  readonly many: boolean;
  /** The first is a folder. */
  readonly tree: boolean;
  readonly create: boolean;
}

/** Make the folders that the target needs. @returns whether files go into it, under their names. */
function prepareTarget(target: string, { many, tree, create }: Wish): boolean {
  if (target === "-") return false;
  const info = statOf(target);
  if (info?.isDirectory) return true;
  if (info !== undefined) {
    if (many) {
      throw new UsageError("More than one file to download, but target is not a directory");
    }
    return false;
  }
  const isFolder = target.endsWith("/") || many || tree;
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
  { mode, entries }: FoundFile,
): Promise<void> {
  Deno.mkdirSync(target, { mode });
  const folders: [path: string, target: string, found: FoundFile][] = [];
  await sideBySide(entries, async (name) => {
    // A name from inside must not lead anywhere else.
    if (name === "" || name === "." || name === ".." || name.includes("/")) {
      throw new Error(`the server sent a bad file name: ${JSON.stringify(name)}`);
    }
    const inside = joinPath(path, name);
    const place = joinPath(target, name);
    const found = await pull.get(inside);
    if (found.type === "directory") folders.push([inside, place, found]);
    else await pullEntry(pull, inside, place, found);
  });
  for (const folder of folders) await pullTree(pull, ...folder);
}

async function pullEntry(
  { context }: Pull,
  path: string,
  target: string,
  { type, mode, size = 0, body }: FoundFile,
): Promise<void> {
  if (type === "symlink") return Deno.symlinkSync((await textOf(body)).trimEnd(), target);
  using file = Deno.openSync(target, { write: true, create: true, truncate: true, mode: 0o600 });

  const title = `Pulling ${path} to ${target}`;
  await writePieces(body, file, (bytes) => {
    const share = size > 0 ? `${Math.floor(bytes / size * 100)}%` : siBytes(bytes);
    context.out.progress(`${title}: ${share}`);
  });
  if (file.statSync().isFile) Deno.chmodSync(target, mode);
  context.out.done();
}

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}
