/** One file, folder or link: between this machine and an instance. */
import { type Client, ClientError } from "#api/client.ts";
import type { RequestBody } from "#api/http1.ts";
import type { TransportReply } from "#api/transport.ts";
import { path as url } from "#cli/context.ts";
import { formatMode } from "./paths.ts";

/** An instance whose files are meant. */
export interface Guest {
  readonly client: Client;
  readonly name: string;
}

export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits. */
  readonly mode?: number;
}

export type FileType = "file" | "directory" | "symlink";

export interface NewFile extends Owner {
  readonly type: FileType;
  /** Contents of a file, target of a link. */
  readonly body?: RequestBody;
}

const filesOf = (guest: Guest) => url("instances", guest.name, "files");

/** Write a file, folder or link. @throws {ClientError} */
export async function postFile(guest: Guest, path: string, file: NewFile): Promise<void> {
  const headers: Record<string, string> = { "X-LXD-type": file.type };
  if (file.type === "file") headers["Content-Type"] = "application/octet-stream";
  if (file.uid !== undefined) headers["X-LXD-uid"] = String(file.uid);
  if (file.gid !== undefined) headers["X-LXD-gid"] = String(file.gid);
  if (file.mode !== undefined) headers["X-LXD-mode"] = formatMode(file.mode);
  await guest.client.send("POST", filesOf(guest), { query: { path }, headers, body: file.body });
}

/** @throws {ClientError} */
export async function deleteFile(guest: Guest, path: string): Promise<void> {
  await guest.client.send("DELETE", filesOf(guest), { query: { path } });
}

export interface FoundFile {
  readonly type: FileType;
  readonly mode: number;
  /** Undefined if nobody knows. */
  readonly size?: number | undefined;
  /** Contents of a file, target of a link. Pieces are valid until the next one is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Names in a folder. */
  readonly entries: readonly string[];
}

export interface GuestFile extends FoundFile {
  /** Its body is to be read to the end, or it is to be cancelled. */
  readonly reply: TransportReply;
}

/** What is under way at once: client and server have something to do meanwhile. */
const WIDTH = 8;

/** Do all of it, some of them at a time. @throws what the first that fails throws. */
export async function sideBySide<T>(
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const lane = async () => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
}

/** Read a file, folder or link. @throws {ClientError} */
export async function getFile(guest: Guest, path: string): Promise<GuestFile> {
  const reply = await guest.client.download(filesOf(guest), { query: { path } });
  const given = reply.headers["x-lxd-type"];
  const type = given === "directory" || given === "symlink" ? given : "file";
  const mode = parseInt(reply.headers["x-lxd-mode"] ?? "", 8);
  const entries = type === "directory" ? parseEntries(await reply.text()) : [];
  const size = Number(reply.headers["content-length"] ?? 0) || undefined;
  const { body } = reply;
  return { type, mode: Number.isNaN(mode) ? 0o644 : mode & 0o7777, size, body, reply, entries };
}

function parseEntries(text: string): string[] {
  const value: unknown = JSON.parse(text);
  const entries = typeof value === "object" && value !== null && "metadata" in value
    ? value.metadata
    : undefined;
  return Array.isArray(entries) ? entries.map(String) : [];
}

/** Is it there, and what? undefined if it isn't. */
export async function typeOf(guest: Guest, path: string): Promise<FileType | undefined> {
  try {
    const { type, reply } = await getFile(guest, path);
    if (type !== "directory") reply.cancel();
    return type;
  } catch (error) {
    if (error instanceof ClientError && error.status === 404) return undefined;
    throw error;
  }
}

const CHUNK_BYTES = 256 * 1024;

/** Something to read bytes from; null at its end. */
export interface Source {
  read(into: Uint8Array): Promise<number | null>;
}

/** Pieces of a local file or pipe; each is valid until the next one is asked for. */
export async function* piecesOf(file: Source): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

/** Where bytes go. */
export interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Write all pieces; `onBytes` hears how many there are already. */
export async function writePieces(
  pieces: AsyncIterable<Uint8Array>,
  sink: Sink,
  onBytes: (bytes: number) => void = () => {},
): Promise<void> {
  let total = 0;
  for await (const piece of pieces) {
    for (let offset = 0; offset < piece.length;) {
      offset += await sink.write(piece.subarray(offset));
    }
    onBytes(total += piece.length);
  }
}
