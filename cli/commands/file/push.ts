/** file push: from this machine into an instance. */
import { command, UsageError } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { siBytes } from "#cli/output/time.ts";
import {
  baseName,
  cleanPath,
  folderChain,
  joinPath,
  parentOf,
  parseGuestPath,
  parseMode,
} from "./paths.ts";
import { openFiles, writeBy } from "./sftp.ts";
import {
  type Guest,
  type NewFile,
  type Owner,
  piecesOf,
  postFile,
  sideBySide,
  typeOf,
} from "./transfer.ts";

export const FILE_PUSH = command({
  name: "file push",
  usage: "<source path>... [<remote>:]<instance>/<path>",
  summary: "Push files into instances",
  examples: [
    {
      call: "lxc file push /etc/hosts foo/etc/hosts",
      what: 'To push /etc/hosts into the instance "foo".',
    },
    { call: "tar -c . | lxc file push - foo/tmp/all.tar", what: "To push what comes in." },
  ],
  flags: {
    "create-dirs": { kind: "bool", short: "p", summary: "Create any directories necessary" },
    gid: { kind: "int", default: -1, summary: "Set the file's gid on push" },
    mode: { kind: "string", summary: "Set the file's perms on push" },
    recursive: { kind: "bool", short: "r", summary: "Recursively transfer files" },
    uid: { kind: "int", default: -1, summary: "Set the file's uid on push" },
  },
  args: [2, Infinity],
  async run(context, args, flags) {
    const target = parseGuestPath(args.at(-1) ?? "", "Invalid target");
    const sources = args.slice(0, -1);
    const guest = context.resource(target.label);
    const owner: Owner = {
      uid: flags.uid < 0 ? undefined : flags.uid,
      gid: flags.gid < 0 ? undefined : flags.gid,
      mode: flags.mode === "" ? undefined : parseMode(flags.mode),
    };
    const wantsOwner = Object.values(owner).some((value) => value !== undefined);
    if (flags.recursive && wantsOwner) {
      throw new UsageError("Can't supply uid/gid/mode in recursive mode");
    }
    const post = (path: string, file: NewFile) => postFile(guest, path, file);
    const push = { context, guest, owner, createFolders: flags["create-dirs"], post };
    if (flags.recursive) return await pushTrees(push, sources, target.path);
    await pushFiles(push, sources, target.path);
  },
});

interface Push {
  readonly context: Context;
  readonly guest: Guest;
  readonly owner: Owner;
  readonly createFolders: boolean;
  /** Writes into the instance. */
  readonly post: (path: string, file: NewFile) => Promise<void>;
}

async function pushFiles(push: Push, sources: readonly string[], path: string): Promise<void> {
  const intoFolder = path.endsWith("/");
  if (sources.length > 1 && !intoFolder) throw new UsageError("Missing target directory");
  const opened: Opened[] = [];
  try {
    for (const source of sources) opened.push(openSource(source));
    if (push.createFolders) {
      const { uid, gid } = push.owner;
      await createFolders(push.guest, intoFolder ? path : parentOf(path), { uid, gid });
    }
    for (const one of opened) {
      const target = intoFolder ? joinPath(path, baseName(one.source)) : path;
      await pushFile(push, one, target);
    }
  } finally {
    for (const { file } of opened) file?.close();
  }
}

interface Opened {
  readonly source: string;
  /** undefined: stdin. */
  readonly file: Deno.FsFile | undefined;
  readonly info: Deno.FileInfo | undefined;
}

/** @throws if it can't be read. */
function openSource(source: string): Opened {
  if (source === "-") return { source, file: undefined, info: undefined };
  const file = Deno.openSync(source);
  const info = file.statSync();
  if (!info.isDirectory) return { source, file, info };
  file.close();
  throw new UsageError(`Can't push the directory "${source}" without --recursive`);
}

const PIPE_MODE = 0o600;

async function pushFile(
  { context, owner, post }: Push,
  { source, file, info }: Opened,
  path: string,
): Promise<void> {
  const size = info?.isFile ? info.size : undefined;
  const title = `Pushing ${source} to ${path}`;
  const stream = counted(piecesOf(file ?? Deno.stdin), (bytes) => {
    const share = size ? `${Math.floor(bytes / size * 100)}%` : siBytes(bytes);
    context.out.progress(`${title}: ${share}`);
  });
  await post(path, {
    type: "file",
    uid: owner.uid ?? info?.uid ?? 0,
    gid: owner.gid ?? info?.gid ?? 0,
    mode: owner.mode ?? (info?.mode == null ? PIPE_MODE : info.mode & 0o777),
    body: { stream, length: size },
  });
  context.out.done();
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const piece of pieces) {
    yield piece;
    onBytes(total += piece.length);
  }
}

/** Create what is missing of a folder and those above it. Without a mode: the server's default. */
export async function createFolders(guest: Guest, folder: string, owner: Owner): Promise<void> {
  const missing: string[] = [];
  for (const one of folderChain(cleanPath(folder)).toReversed()) {
    const type = await typeOf(guest, one);
    if (type === "directory") break;
    if (type === "file") throw new Error(`${one} is not a directory`);
    missing.unshift(one);
  }
  const { uid = 0, gid = 0, mode } = owner;
  for (const one of missing) await postFile(guest, one, { type: "directory", uid, gid, mode });
}

const FOLDER_MODE = 0o755;

async function pushTrees(push: Push, sources: readonly string[], path: string): Promise<void> {
  if (push.createFolders) await createFolders(push.guest, path, { mode: FOLDER_MODE });
  using files = await openFiles(push.guest);
  for (const source of sources) {
    const top = source.replace(/(.)\/+$/, "$1");
    // "." is pushed as the target, everything else into it, under its name.
    const target = (top === "." ? path : joinPath(path, nameOf(top))).replace(/(.)\/+$/, "$1");
    // SFTP announces nothing: the server tells of each tree that came by its top.
    const post: Push["post"] = (where, file) =>
      files === undefined || where === target
        ? push.post(where, file)
        : writeBy(files, where, file);
    await pushTree({ ...push, post }, top, target);
  }
}

const nameOf = (path: string) =>
  baseName(/(^|\/)\.\.?$/.test(path) ? Deno.realPathSync(path) : path);

async function pushTree(push: Push, source: string, path: string): Promise<void> {
  const info = Deno.lstatSync(source);
  const { uid, gid } = info;
  const mode = (info.mode ?? 0o644) & 0o777;
  const owner = { uid: uid ?? 0, gid: gid ?? 0, mode };
  if (info.isSymlink) {
    const body = Deno.readLinkSync(source);
    return await push.post(path, { type: "symlink", ...owner, body });
  }
  if (info.isFile) {
    using file = Deno.openSync(source);

    return await pushFile(push, { source, file, info }, path);
  }
  if (!info.isDirectory) {
    throw new Error(`'${source}' isn't a supported file type`);
  }
  await push.post(path, { type: "directory", ...owner });
  const entries = [...Deno.readDirSync(source)].toSorted((a, b) => a.name < b.name ? -1 : 1);
  const pushOne = ({ name }: Deno.DirEntry) =>
    pushTree(push, joinPath(source, name), joinPath(path, name));
  await sideBySide(entries.filter(({ isDirectory }) => !isDirectory), pushOne);
  for (const entry of entries.filter(({ isDirectory }) => isDirectory)) await pushOne(entry);
}
