/** The file server of an instance on one connection: for trees, whose files would each be a request. */
import { type Client, ClientError } from "#api/client.ts";
import { concat } from "#api/bytes.ts";
import {
  entriesIn,
  linkTarget,
  makeDirectory,
  makeLink,
  openToRead,
  piecesOf,
  statOf,
  typeOf,
  writeFile,
} from "#api/sftp/files.ts";
import { FileError, SftpSession } from "#api/sftp/session.ts";
import type { Upgraded } from "#api/transport.ts";
import { path as url } from "#cli/context.ts";
import type { FoundFile, Guest, NewFile } from "./transfer.ts";

const READ_BYTES = 256 * 1024;
/** Servers with it say of errors what the kernel says, which decides what is one. */
const EXTENSION = "instance_sftp_errors";

/** @returns undefined where the server's SFTP is not as ours. @throws {ClientError} */
export async function openFiles(guest: Guest): Promise<FilesConnection | undefined> {
  if (!await hasExtension(guest.client)) return undefined;
  const upgraded = await guest.client.upgrade(url("instances", guest.name, "sftp"), "sftp");
  return new FilesConnection(upgraded);
}

async function hasExtension(client: Client): Promise<boolean> {
  const { api_extensions } = await client.get<{ api_extensions?: string[] }>("/1.0");
  return api_extensions?.includes(EXTENSION) ?? false;
}

class FilesConnection extends SftpSession implements Disposable {
  readonly #to: Upgraded["duplex"];
  #sending: Promise<void> = Promise.resolve();

  constructor({ duplex, reader }: Upgraded) {
    super();
    this.#to = duplex;
    this.#receive(reader).catch(() => {}).finally(() => this.end()); // Ignored: the end tells.
  }

  [Symbol.dispose](): void {
    this.#to.close();
  }

  protected write(parts: readonly Uint8Array[]): void {
    const bytes = concat(parts);
    this.#sending = this.#sending.then(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#to.write(bytes.subarray(at));
    });
    this.#sending.catch(() => this.end());
  }

  protected gone(): Error {
    return new ClientError(0, "the connection to the instance's files was lost");
  }

  async #receive(reader: Upgraded["reader"]): Promise<void> {
    for (let piece = await reader.some(READ_BYTES); piece; piece = await reader.some(READ_BYTES)) {
      this.take(piece.slice());
    }
  }
}

/** Write a file, folder or link, as postFile() does. */
export async function writeBy(
  files: FilesConnection,
  path: string,
  { type, uid, gid, mode, body }: NewFile,
): Promise<void> {
  const entry = { uid, gid, mode };
  await explained("write", path, async () => {
    if (type === "directory") return await makeDirectory(files, path, entry);
    if (type === "symlink") return await makeLink(files, path, { target: String(body), entry });
    const stream = body instanceof Object && "stream" in body ? body.stream : nothing();
    await writeFile(files, path, { entry, append: false, body: stream });
  });
}

/** What a file, folder or link is and has in it, as getFile() does. */
export async function readBy(files: FilesConnection, path: string): Promise<FoundFile> {
  return await explained("read", path, async () => {
    const stat = await statOf(files, path);
    const [type, mode] = [typeOf(stat), stat.mode & 0o7777];
    if (type === "directory") {
      return { type, mode, entries: [...(await entriesIn(files, path)).keys()], body: nothing() };
    }
    if (type === "symlink") {
      return { type, mode, entries: [], body: only(await linkTarget(files, path)) };
    }
    const { handle, stat: { size } } = await openToRead(files, path);
    return { type, mode, entries: [], size, body: closing(files, handle, size) };
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* closing(files: FilesConnection, handle: Uint8Array, size: number) {
  try {
    yield* piecesOf(files, handle, size);
  } finally {
    if (!files.isOver) await files.close(handle);
  }
}

/** "Is a directory" alone would not say what is one. */
async function explained<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new Error(`cannot ${action} "${path}": ${error.reason}`, { cause: error });
  }
}
