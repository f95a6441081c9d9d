/** Backup archives: written by tar(1) in one go, read through the same filter as images. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { exists, removeIfThere } from "#daemon/host/files.ts";
import { decompress } from "#daemon/images/compression.ts";
import { filterOf } from "#daemon/images/compressor.ts";
import { TarFilter } from "#daemon/images/tar_filter.ts";
import { unpackBudget, unpackFile } from "#daemon/images/unpack.ts";
import { packedBytes, unpackedBytes } from "#daemon/images/unpacked_size.ts";
import { treeBytes } from "#daemon/storage/copy_tree.ts";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import { requirePoolSpace, requireServerSpace } from "#daemon/storage/space.ts";
import { type BackupIndex, parseIndex } from "./index.ts";

/** A directory or file of the host and what it is called in the archive. */
export interface Part {
  readonly source: HostPath;
  /** "backup/container", "backup/snapshots/snap0", "backup/volume.img". */
  readonly name: string;
  /** Only these entries of the directory, where they exist; undefined: all of it. */
  readonly only?: readonly string[];
}

export interface PackOptions {
  readonly target: HostPath;
  /** Text of backup/index.yaml. */
  readonly index: string;
  /** Each is read before the next is asked for. */
  readonly parts: readonly Part[] | AsyncIterable<Part>;
  /** "none", "gzip", "zstd" ... */
  readonly compression: string;
  readonly signal: AbortSignal;
}

/** Write the archive; nothing is left of it if that fails. @throws {Fault} no_space, bad_request */
export async function packBackup(options: PackOptions): Promise<void> {
  const { target, signal } = options;
  const compressor = filterOf(options.compression) ?? "cat";
  if (Array.isArray(options.parts)) await requireRoom(target, options.parts, options.compression);
  const index = hostPath(`${target}.index.yaml`);
  await Deno.writeTextFile(index, options.index, { mode: 0o600 });
  // The shell only redirects: what it runs and where to are arguments.
  const sink = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" >"$0"', target, ...compressor.split(" ")],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
    signal,
  }).spawn();
  const complaint = new Response(sink.stderr).text();
  try {
    const writer = sink.stdin.getWriter();
    try {
      await appendPart(writer, { source: index, name: "backup/index.yaml" }, signal);
      for await (const part of options.parts) await appendPart(writer, part, signal);
      await writer.write(new Uint8Array(END_BYTES));
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => undefined); // Ignored: it has failed already.
      signal.throwIfAborted();
      if (error instanceof Fault) throw error;
      throw tarFailure(`${await complaint}${messageOf(error)}`);
    }
    const { success } = await sink.status;
    if (!success) throw tarFailure(await complaint);
  } catch (error) {
    await Deno.remove(target).catch(() => undefined); // Ignored: the failure above is told.
    throw error;
  } finally {
    await removeIfThere(index);
  }
}

/** Parts that come one by one are files already, beside the archive. @throws {Fault} no_space */
async function requireRoom(target: HostPath, parts: readonly Part[], compression: string) {
  let bytes = 0;
  for (const { source, only } of parts) {
    if (only === undefined) bytes += await treeBytes(source);
  }
  const folder = hostPath(target.slice(0, target.lastIndexOf("/")));
  await requireServerSpace(folder, packedBytes(bytes, compression), "make the backup");
}

/** Two zero blocks end an archive. */
const END_BYTES = 1024;

/**
 * One run of tar for each part: in one run, files that a snapshot shares with its instance would
 * become hard links between the two.
 */
async function appendPart(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  part: Part,
  signal: AbortSignal,
): Promise<void> {
  const child = new Deno.Command("tar", {
    args: [
      "--numeric-owner",
      "--acls",
      "--xattrs",
      "--xattrs-include=user.*",
      "--xattrs-include=security.capability",
      "--warning=no-file-ignored",
      "--sparse",
      "--blocking-factor=1",
      // Paths of symbolic links stay as they are (S); those of hard links follow.
      `--transform=s,^${escaped(part.source.slice(1))},${part.name.replace(/[&\\,]/g, "\\$&")},S`,
      "-cf",
      "-",
      "-C",
      "/",
      ...await membersOf(part),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
    signal,
  }).spawn();
  const stderr = new Response(child.stderr).text();
  let held = new Uint8Array();
  for await (const piece of child.stdout) {
    const whole = held.length === 0 ? piece : joined(held, piece);
    const keep = Math.max(0, whole.length - END_BYTES);
    if (keep > 0) await writer.write(whole.subarray(0, keep));
    held = whole.slice(keep);
  }
  const [status, text] = await Promise.all([child.status, stderr]);
  signal.throwIfAborted();
  if (!status.success) throw tarFailure(text);
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** Arguments of tar for one part: the directory itself, then what is wanted of it. */
async function membersOf({ source, only }: Part): Promise<string[]> {
  const path = source.slice(1);
  if (only === undefined) return ["--recursion", path];
  const members = ["--no-recursion", path, "--recursion"];
  for (const name of only) {
    if (await exists(`${source}/${name}`)) members.push(`${path}/${name}`);
  }
  return members;
}

/** For a basic regular expression of tar's --transform. */
function escaped(path: string): string {
  return path.replace(/[.*[\]^$\\,]/g, "\\$&");
}

function tarFailure(text: string): Error {
  if (/No space left|quota exceeded/i.test(text)) {
    return new Fault("no_space", "cannot write the backup: no space left", {
      hint: "Backups are made below the state directory: free some space there.",
    });
  }
  return new Error(`tar failed: ${text.trim().slice(-500)}`);
}

/** The index of an archive, found without unpacking the rest. @throws {Fault} bad_request */
export async function readIndex(file: HostPath): Promise<BackupIndex> {
  const text = await readMember(file, "backup/index.yaml");
  if (text === undefined) {
    throw new Fault("bad_request", "invalid backup: it has no backup/index.yaml", {
      hint: "lxc export and lxc storage volume export make such files.",
    });
  }
  return parseIndex(text);
}

/** A text in an archive; undefined: it has none of that name. @throws {Fault} bad_request */
export async function readMember(file: HostPath, member: string): Promise<string | undefined> {
  let text: string | undefined;
  await asBackup(async () => {
    const filter = new TarFilter({
      bytesMax: Number.MAX_SAFE_INTEGER,
      onEntry: ({ name, size }) => name === member && size <= INDEX_BYTES_MAX,
      onBody: (_entry, data) => text = new TextDecoder().decode(data),
    });
    for await (const piece of decompress(file)) {
      filter.push(piece);
      if (text !== undefined) return;
    }
    filter.end();
  });
  return text;
}

/**
 * Does what the archive holds fit? Of states that share what they have in common on the pool but not in
 * the archive, one is counted.
 *
 * @throws {Fault} no_space
 */
export async function requireRoomFor(
  driver: StorageDriver,
  file: HostPath,
  { optimizedFor, snapshots }: BackupIndex,
): Promise<void> {
  const isShared = optimizedFor === undefined && driver.can.snapshot === "instant";
  const states = isShared ? snapshots.length + 1 : 1;
  const bytes = Math.floor(await unpackedBytes(file) / states);
  await requirePoolSpace(driver, bytes, "import the backup");
}

const INDEX_BYTES_MAX = 4 * 1024 * 1024;

export interface ExtractOptions {
  /** Path of the C helper. */
  readonly helper: HostPath;
  /** Directory within the archive whose content is wanted: "backup/container". */
  readonly member: string;
  /** Only entries that begin with one of these below it; undefined: all. */
  readonly only?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Unpack one directory of the archive into `target`, which exists. @throws {Fault} */
export async function extractMember(
  file: HostPath,
  target: HostPath,
  { helper, member, only, signal }: ExtractOptions,
): Promise<void> {
  const prefix = `${member}/`;
  const accept = (name: string) => {
    if (!name.startsWith(prefix)) return false;
    const [first = ""] = name.slice(prefix.length).split("/");
    return first !== "" && (only === undefined || only.includes(first));
  };
  const strip = member.split("/").length;
  const bytesMax = await unpackBudget(target);
  const select = { accept, strip };
  await asBackup(() =>
    unpackFile(file, target, { helper, bytesMax, select, ...signal && { signal } })
  );
}

/** Unpack one file of the archive ("backup/volume.img") to `target`. @throws {Fault} */
export async function extractFile(
  file: HostPath,
  target: HostPath,
  { helper, member, signal }: ExtractOptions,
): Promise<void> {
  const parent = hostPath(target.slice(0, target.lastIndexOf("/")));
  const staging = hostPath(`${parent}/import-${crypto.randomUUID()}`);
  await Deno.mkdir(staging, { mode: 0o700 });
  try {
    const bytesMax = await unpackBudget(parent);
    const select = {
      accept: (name: string) => name === member,
      strip: member.split("/").length - 1,
    };
    await asBackup(() =>
      unpackFile(file, staging, { helper, bytesMax, select, ...signal && { signal } })
    );
    const unpacked = `${staging}/${member.split("/").at(-1)}`;
    if (!(await Deno.lstat(unpacked)).isFile) {
      throw new Fault("bad_request", `invalid backup: ${member} is not a file`);
    }
    await Deno.rename(unpacked, target);
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

/** The filter speaks of images. */
async function asBackup(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const message = error.message.replace(/\bimage\b/g, "backup");
    throw new Fault(error.kind, message, {
      cause: error,
      ...error.hint !== undefined && { hint: error.hint },
    });
  }
}
