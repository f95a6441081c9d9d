/**
 * Unpack an image into a directory: rootfs/, metadata.yaml, templates/. Archives are hostile: tar
 * goes through TarFilter, and the programs that write run confined to the directory (helper verb
 * `confine`), so that neither a trick nor a bug of theirs reaches anything else.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { ifThere } from "#daemon/host/files.ts";
import { fileSystemSpace, reserveBytes } from "#daemon/storage/space.ts";
import { compressionOf, decompress } from "./compression.ts";
import { removeSurprises } from "./surprises.ts";
import { TarFilter } from "./tar_filter.ts";

export interface UnpackOptions {
  /** Path of the C helper. */
  readonly helper: HostPath;
  /** Bytes that may be written. */
  readonly bytesMax: number;
  /** Only entries that it accepts, without the first `strip` parts of their names. */
  readonly select?: { readonly accept: (name: string) => boolean; readonly strip: number };
  readonly signal?: AbortSignal;
  readonly progress?: (bytes: number) => void;
}

/**
 * Unpack one file of an image into `directory`, which exists.
 *
 * @throws {Fault} bad_request for a hostile or broken archive, no_space.
 */
export async function unpackFile(
  file: HostPath,
  directory: HostPath,
  options: UnpackOptions,
): Promise<void> {
  options.signal?.throwIfAborted();
  if (await compressionOf(file) === "squashfs") {
    await unpackSquashfs(file, directory, options);
    await removeSurprises(directory);
  } else {
    await unpackTar(file, directory, options);
  }
}

const TAR = [
  "tar",
  "--extract",
  "--file=-",
  "--numeric-owner",
  "--same-owner",
  "--preserve-permissions",
  "--acls",
  "--xattrs",
  "--xattrs-include=user.*",
  "--xattrs-include=security.capability",
  "--delay-directory-restore",
  "--warning=no-timestamp",
  "--warning=no-unknown-keyword",
];

async function unpackTar(
  file: HostPath,
  directory: HostPath,
  options: UnpackOptions,
): Promise<void> {
  const { signal, select, bytesMax } = options;
  const filter = new TarFilter({ bytesMax, ...select && { accept: select.accept } });
  const argv = select === undefined ? TAR : [...TAR, `--strip-components=${select.strip}`];
  const tar = confined(options.helper, directory, argv, "piped");
  const abort = () => tar.kill();
  signal?.addEventListener("abort", abort, { once: true });
  let written = 0;
  try {
    const writer = tar.stdin.getWriter();
    for await (const piece of decompress(file)) {
      for (const chunk of filter.push(piece)) {
        await writer.write(chunk);
        written += chunk.length;
      }
      options.progress?.(written);
    }
    filter.end();
    await writer.close();
    await tar.finish("unpack");
  } catch (error) {
    tar.kill();
    await tar.finish("unpack").catch((reason) => {
      // tar's own reason explains a broken pipe better than the pipe does.
      if (!(error instanceof Fault) && !signal?.aborted) throw reason;
    });
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

async function unpackSquashfs(
  file: HostPath,
  directory: HostPath,
  options: UnpackOptions,
): Promise<void> {
  await checkSquashfs(file, options.bytesMax);
  const argv = ["unsquashfs", "-force", "-no-progress", "-quiet", "-dest", directory, file];
  const child = confined(options.helper, directory, argv, "null");
  const abort = () => child.kill();
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    await child.finish("unpack");
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}

/** The superblock says how many inodes there are. @see Documentation/filesystems/squashfs.rst */
async function checkSquashfs(file: HostPath, bytesMax: number): Promise<void> {
  using handle = await Deno.open(file);
  const head = new DataView(new ArrayBuffer(96));
  await handle.read(new Uint8Array(head.buffer));
  const inodes = head.getUint32(4, true);
  const bytesUsed = Number(head.getBigUint64(40, true));
  const { size } = await Deno.stat(file);
  if (inodes > LIMITS.imageEntries) {
    throw new Fault(
      "bad_request",
      `invalid image: it has more than ${LIMITS.imageEntries} entries`,
    );
  }
  if (bytesUsed > size) throw new Fault("bad_request", "invalid image: the squashfs is truncated");
  if (bytesUsed > bytesMax) throw new Fault("no_space", "cannot unpack image: not enough space");
}

interface Confined {
  readonly stdin: WritableStream<Uint8Array>;
  kill(): void;
  /** @throws {Fault} if it fails. */
  finish(action: string): Promise<void>;
}

function confined(
  helper: HostPath,
  directory: HostPath,
  argv: readonly string[],
  stdin: "piped" | "null",
): Confined {
  const child = new Deno.Command(helper, {
    args: ["confine", directory, "--", ...argv],
    stdin,
    stdout: "null",
    stderr: "piped",
    env: { LC_ALL: "C" },
  }).spawn();
  const stderr = boundedText(child.stderr);
  return {
    get stdin() {
      return child.stdin;
    },
    kill: () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // Ignored: it has ended already.
      }
    },
    finish: async (action) => {
      const [status, text] = await Promise.all([child.status, stderr]);
      if (status.success) return;
      if (/No space left|Disk quota exceeded/.test(text)) {
        throw new Fault("no_space", `cannot ${action} image: no space left on the storage pool`);
      }
      const tail = text.trim().split("\n").slice(-3).join("; ");
      throw new Fault("bad_request", `cannot ${action} image: ${argv[0]} failed: ${tail}`);
    },
  };
}

/** The last part of what a program says. */
async function boundedText(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) text = (text + decoder.decode(chunk)).slice(-4000);
  return text;
}

/** Bytes that may be unpacked below `directory`: what is free, less a reserve for everybody else. */
export async function unpackBudget(directory: HostPath): Promise<number> {
  const { freeBytes, totalBytes } = await fileSystemSpace(directory);
  return Math.max(0, freeBytes - reserveBytes(totalBytes));
}

/** Layout of an image after unpacking: a split image's second file goes below rootfs/. */
export async function unpackImage(
  files: { readonly meta: HostPath; readonly rootfs: HostPath | undefined },
  directory: HostPath,
  options: Omit<UnpackOptions, "bytesMax">,
): Promise<void> {
  const bytesMax = await unpackBudget(directory);
  await unpackFile(files.meta, directory, { ...options, bytesMax });
  const rootfs = hostPath(`${directory}/rootfs`);
  if (files.rootfs !== undefined) {
    // The first file may have left a link there, to anywhere.
    if (await typeOf(rootfs) === "absent") await Deno.mkdir(rootfs, { mode: 0o755 });
    await requireType(rootfs, "directory");
    await unpackFile(files.rootfs, rootfs, { ...options, bytesMax });
  }
  await checkLayout(directory);
}

/** What the daemon reads of an image must not be links: they would lead to files of the host. */
async function checkLayout(directory: HostPath): Promise<void> {
  await requireType(`${directory}/rootfs`, "directory");
  await requireType(`${directory}/metadata.yaml`, "file");
  const templates = `${directory}/templates`;
  if (await typeOf(templates) === "absent") return;
  await requireType(templates, "directory");
  for await (const { name } of Deno.readDir(templates)) {
    await requireType(`${templates}/${name}`, "file");
  }
}

type FileType = "file" | "directory" | "absent" | "other";

async function typeOf(path: string): Promise<FileType> {
  const info = await Deno.lstat(path).catch(ifThere);
  if (info === undefined) return "absent";
  return info.isFile ? "file" : info.isDirectory ? "directory" : "other";
}

async function requireType(path: string, wanted: "file" | "directory"): Promise<void> {
  const found = await typeOf(path);
  if (found === wanted) return;
  const name = path.split("/").at(-1);
  throw new Fault(
    "bad_request",
    found === "absent"
      ? `invalid image: it has no ${name} ${wanted}`
      : `invalid image: ${name} is not a ${wanted}`,
  );
}
