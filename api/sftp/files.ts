/** What is done to one path of an instance, by requests to its file server. */
import { FXP, OPEN, type Stat } from "./packet.ts";
import { FileError, type SftpSession } from "./session.ts";

export type FileType = "file" | "directory" | "symlink";

export interface NewEntry {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mode: number | undefined;
}

const TYPE_BITS = 0o170000;
const DIRECTORY_BITS = 0o040000;
const SYMLINK_BITS = 0o120000;
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o750;
const CHUNK_BYTES = 128 * 1024;
/** Requests on their way at once. */
const WINDOW = 8;

/** LXD calls everything else a file. */
export function typeOf({ mode }: Stat): FileType {
  const bits = mode & TYPE_BITS;
  return bits === DIRECTORY_BITS ? "directory" : bits === SYMLINK_BITS ? "symlink" : "file";
}

/** Of the path itself: a link is not followed. */
export async function statOf(session: SftpSession, path: string): Promise<Stat> {
  return (await session.must(FXP.lstat, path)).stat();
}

/** The text of a symbolic link, as bytes: it need not be UTF-8. @throws {FileError} */
export async function linkTarget(session: SftpSession, path: string): Promise<Uint8Array> {
  const fields = await session.must(FXP.readlink, path);
  fields.u32();
  return fields.string().slice();
}

/** What is in a directory: name -> what it is. */
export async function entriesIn(session: SftpSession, path: string): Promise<Map<string, Stat>> {
  const handle = (await session.must(FXP.opendir, path)).string();
  const entries = new Map<string, Stat>();
  try {
    for (;;) {
      const reply = await session.ask(FXP.readdir, handle);
      if (reply === undefined) return entries;
      const { fields } = reply;
      for (let count = fields.u32(); count > 0; count--) {
        const name = fields.text();
        fields.string(); // As ls -l shows it.
        const stat = fields.stat();
        if (name !== "." && name !== "..") entries.set(name, stat);
      }
    }
  } finally {
    await session.ask(FXP.close, handle);
  }
}

export interface OpenFile {
  readonly handle: Uint8Array;
  readonly stat: Stat;
}

/** @throws {FileError} also if it is no regular file. */
export async function openToRead(session: SftpSession, path: string): Promise<OpenFile> {
  const handle = (await session.must(FXP.open, path, OPEN.read, { attributes: {} })).string();
  return { handle, stat: (await session.must(FXP.fstat, handle)).stat() };
}

/** The contents, piece by piece, at most `size` bytes; 0: nobody knows, as in /proc. */
export async function* piecesOf(session: SftpSession, handle: Uint8Array, size: number) {
  if (size === 0) return yield* rest(session, handle, { from: 0, end: Infinity });
  const ahead: { readonly at: number; readonly end: number; readonly reply: Reading }[] = [];
  for (let asked = 0; asked < size || ahead.length > 0;) {
    // Some requests are always on their way, none beyond the end.
    for (; asked < size && ahead.length < WINDOW; asked = Math.min(size, asked + CHUNK_BYTES)) {
      const end = Math.min(size, asked + CHUNK_BYTES);
      const reply = session.ask(FXP.read, handle, { wide: asked }, end - asked);
      reply.catch(() => {}); // Ignored: awaited below, or nobody wants it any more.
      ahead.push({ at: asked, end, reply });
    }
    const next = ahead.shift();
    const bytes = (await next?.reply)?.fields.string();
    if (next === undefined || bytes === undefined) return;
    yield bytes;
    if (next.at + bytes.length < next.end) {
      yield* rest(session, handle, { from: next.at + bytes.length, end: next.end });
    }
  }
}

type Reading = ReturnType<SftpSession["ask"]>;

/** One request after the other. */
async function* rest(
  session: SftpSession,
  handle: Uint8Array,
  { from, end }: { readonly from: number; readonly end: number },
) {
  for (let at = from; at < end;) {
    const bytes = Math.min(CHUNK_BYTES, end - at);
    const reply = await session.ask(FXP.read, handle, { wide: at }, bytes);
    if (reply === undefined) return;
    const piece = reply.fields.string();
    at += piece.length;
    yield piece;
  }
}

/** Write a file; owner and mode are those of a new one only. */
export async function writeFile(
  session: SftpSession,
  path: string,
  options: {
    readonly entry: NewEntry;
    readonly append: boolean;
    readonly body: AsyncIterable<Uint8Array>;
  },
): Promise<void> {
  const { entry, append, body } = options;
  const { handle, isNew } = await openToWrite(session, path, append);
  let isDone = false;
  try {
    if (isNew) {
      const attributes = { ...ownerOf(entry), mode: entry.mode ?? FILE_MODE };
      await session.ask(FXP.fsetstat, handle, { attributes });
    }
    await writeAll(session, handle, body);
    isDone = true;
  } finally {
    if (!session.isOver) await session.ask(FXP.close, handle);
    // Nothing half-made stays behind.
    if (!isDone && isNew && !session.isOver) await session.ask(FXP.remove, path);
  }
}

async function openToWrite(session: SftpSession, path: string, append: boolean) {
  const flags = OPEN.write | OPEN.create | (append ? OPEN.append : 0);
  // Readable for root alone until its owner and mode are set.
  const attributes = { attributes: { mode: 0o600 } };
  try {
    const made = await session.must(FXP.open, path, flags | OPEN.exclusive, attributes);
    return { handle: made.string(), isNew: true };
  } catch (error) {
    if (!(error instanceof FileError) || error.text !== "File exists") throw error;
  }
  const found = await session.must(
    FXP.open,
    path,
    append ? flags : flags | OPEN.truncate,
    attributes,
  );
  return { handle: found.string(), isNew: false };
}

async function writeAll(
  session: SftpSession,
  handle: Uint8Array,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const ahead: Promise<unknown>[] = [];
  let offset = 0;
  for await (const piece of body) {
    for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
      const bytes = piece.subarray(at, at + CHUNK_BYTES);
      const written = session.ask(FXP.write, handle, { wide: offset }, bytes);
      written.catch(() => {}); // Ignored: awaited below.
      ahead.push(written);
      offset += bytes.length;
      if (ahead.length >= WINDOW) await ahead.shift();
    }
  }
  await Promise.all(ahead);
}

/** One that is there already stays as it is. */
export async function makeDirectory(
  session: SftpSession,
  path: string,
  entry: NewEntry,
): Promise<void> {
  const mode = entry.mode ?? DIRECTORY_MODE;
  try {
    await session.ask(FXP.mkdir, path, { attributes: { mode } });
  } catch (error) {
    if (!(error instanceof FileError) || error.text !== "File exists") throw error;
    if (typeOf(await statOf(session, path)) === "file") throw error;
    return;
  }
  await setOwner(session, path, { entry, undo: FXP.rmdir });
}

/** The same link is no error. */
export async function makeLink(
  session: SftpSession,
  path: string,
  options: { readonly target: string; readonly entry: NewEntry },
): Promise<void> {
  try {
    await session.ask(FXP.symlink, options.target, path);
  } catch (error) {
    if (!(error instanceof FileError) || error.text !== "File exists") throw error;
    if (typeOf(await statOf(session, path)) !== "symlink") throw error;
    const current = new TextDecoder().decode(await linkTarget(session, path));
    if (current !== options.target) throw error;
    return;
  }
  await setOwner(session, path, { entry: options.entry, undo: FXP.remove });
}

async function setOwner(
  session: SftpSession,
  path: string,
  { entry, undo }: { readonly entry: NewEntry; readonly undo: number },
): Promise<void> {
  try {
    const attributes = { attributes: ownerOf(entry) };
    await session.ask(FXP.extended, "lsetstat@openssh.com", path, attributes);
  } catch (error) {
    await session.ask(undo, path);
    throw error;
  }
}

function ownerOf({ uid = 0, gid = 0 }: NewEntry) {
  return { owner: { uid, gid } };
}

/** A file, a link or an empty directory. */
export async function remove(session: SftpSession, path: string): Promise<void> {
  const isDirectory = typeOf(await statOf(session, path)) === "directory";
  await session.ask(isDirectory ? FXP.rmdir : FXP.remove, path);
}
