/**
 * Folders that a file system of their own limits, where the kernel has no project quotas: ext4 in a sparse
 * file, mounted on the folder. Where there is such a file it is the content; what lies beneath the mount
 * is of before, and thrown away. So one rename, of the file, replaces the content or begins to limit it.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import {
  exists,
  isEmptyDirectory,
  removeIfEmpty,
  removeTree,
  setFileSize,
} from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";
import { growFilesystem, shrinkFilesystem } from "#daemon/storage/block_filesystem.ts";
import { attachLoop, detachLoop, hasLoops, loopDevices } from "#daemon/storage/loop.ts";
import { isMounted, unmountFirmly } from "#daemon/host/mounted.ts";
import type { Trash } from "#daemon/storage/trash.ts";
import { detachAside } from "#ffi/libc/mount.ts";
import { exchange } from "#ffi/libc/rename.ts";

export interface SizedFolder {
  readonly path: HostPath;
  /** The sparse file; absent: nothing limits the folder. */
  readonly image: HostPath;
}

/** A file that is not in use yet; what of it was not renamed goes when it is disposed. */
interface Built extends AsyncDisposable {
  readonly image: HostPath;
}

/** Fills an empty directory. */
export type Fill = (path: HostPath) => Promise<void>;

/** The sparse file is all zero: nothing of it need be written. */
const MKFS = ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard,assume_storage_prezeroed=1"];
/** What is deleted inside is given back; tables of inodes stay holes. */
const MOUNT_OPTIONS = "loop,discard,noinit_itable";

/** What is half made lies in the trash of the pool. */
export class SizedFolders {
  readonly #trash: Trash;

  constructor(trash: Trash) {
    this.#trash = trash;
  }

  /** Bytes; 0: nothing limits it. */
  async sizeOf({ image }: SizedFolder): Promise<number> {
    return await Deno.lstat(image).then(({ size }) => size, () => 0);
  }

  /** @throws {Fault} bad_request if the size is too small for a file system, or for what it is to hold */
  async build(sizeBytes: number, fill: Fill): Promise<Built> {
    const staged = await this.#trash.stage();
    const image = hostPath(`${staged}/image`);
    const path = hostPath(`${staged}/mount`);
    const dispose = async () => {
      await unmountFirmly(path);
      await removeTree(staged);
    };
    try {
      await Deno.mkdir(path, { recursive: true, mode: 0o700 });
      (await Deno.open(image, { write: true, createNew: true, mode: 0o600 })).close();
      await setFileSize(image, sizeBytes);
      await makeFilesystem(image);
      await mountImage(image, path);
      await Deno.remove(`${path}/lost+found`);
      await fill(path);
      await unmountFirmly(path);
    } catch (error) {
      await dispose();
      throw error instanceof Fault && error.kind === "no_space"
        ? tooSmall(sizeBytes, error)
        : error;
    }
    return { image, [Symbol.asyncDispose]: dispose };
  }

  /** Give a folder another content and size, whatever it had. It is hidden afterwards. */
  async fill(folder: SizedFolder, sizeBytes: number, fill: Fill): Promise<void> {
    await using built = await this.build(sizeBytes, fill);
    await this.hide(folder);
    await Deno.rename(built.image, folder.image);
  }

  /** Limit it no more: `fill` gets all of it, at another place. */
  async free(folder: SizedFolder, fill: Fill): Promise<void> {
    const staged = await this.#trash.stage();
    await Deno.mkdir(staged, { mode: 0o711 });
    try {
      await fill(staged);
      await this.hide(folder);
      exchange(staged, folder.path);
      await this.#trash.discard(folder.image);
    } finally {
      await removeTree(staged);
    }
  }

  /** Mount it if it is limited, and not mounted. */
  async show({ path, image }: SizedFolder): Promise<void> {
    if (!await exists(image) || await isMounted(path)) return;
    await this.#emptyPoint(path);
    await repair(image);
    await mountImage(image, path).catch(async (error) => {
      // Its last mount is going away still.
      if (!await isReleased(image)) throw error;
      await mountImage(image, path);
    });
    await removeIfEmpty(hostPath(`${path}/lost+found`)); // Checks make it anew.
  }

  /** The folder is there at any time: a file without one belongs to nothing. */
  async #emptyPoint(path: HostPath): Promise<void> {
    if (!await exists(path)) return await Deno.mkdir(path, { recursive: true, mode: 0o711 });
    if (await isEmptyDirectory(path)) return;
    const staged = await this.#trash.stage();
    await Deno.mkdir(staged, { mode: 0o711 });
    exchange(staged, path);
    await this.#trash.discard(staged);
  }

  /** Who is still in it keeps it until he leaves. */
  async hide({ path, image }: SizedFolder): Promise<void> {
    if (await exists(image)) { while (await detachAside(path)); }
  }

  /** Hide it and forget file and content. Absent is no error. */
  async discard(folder: SizedFolder): Promise<void> {
    await this.hide(folder);
    await this.#trash.discard(folder.path);
    await this.#trash.discard(folder.image);
  }

  /**
   * Of one that is limited: grown while it is used, else grown or shrunk, and hidden then. Also to the
   * size that its file has: a death may have come before its file system had it.
   *
   * @throws {Fault} bad_request if it is used, or holds more
   */
  async resize(folder: SizedFolder, sizeBytes: number, { isUsed }: { readonly isUsed: boolean }) {
    const before = await this.sizeOf(folder);
    if (isUsed) return await this.#growUsed(folder, before, sizeBytes);
    await this.hide(folder);
    if (!await isReleased(folder.image)) throw cannotResizeUsed();
    if (sizeBytes > before) await setFileSize(folder.image, sizeBytes);
    const device = await attachLoop(folder.image);
    try {
      await run(["losetup", "--set-capacity", device]);
      await shrinkFilesystem(device, sizeBytes, undefined); // Or grows it.
    } finally {
      await detachLoop(folder.image);
    }
    await setFileSize(folder.image, sizeBytes);
  }

  async #growUsed(folder: SizedFolder, before: number, sizeBytes: number): Promise<void> {
    if (sizeBytes < before) throw cannotResizeUsed();
    await this.show(folder);
    await setFileSize(folder.image, sizeBytes);
    const device = await attachLoop(folder.image);
    await run(["losetup", "--set-capacity", device]);
    try {
      await growFilesystem(device, folder.path);
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      await setFileSize(folder.image, before);
      await run(["losetup", "--set-capacity", device]);
      throw cannotResizeUsed(error);
    }
  }
}

/** @param cause Where this server lacks the capability CAP_SYS_RESOURCE, ext4 does not grow in use. */
export function cannotResizeUsed(cause?: ExecError): Fault {
  const hint = cause === undefined
    ? "Only a larger size than it has already is given at any time."
    : cause.stderrTail.trim().split("\n").at(-1);
  return new Fault("bad_request", "the size can't be changed so while the volume is used", {
    cause,
    hint: `Stop what uses it. ${hint}`,
  });
}

/** Why folders can't be limited so on this host; undefined: they can. */
export async function sizesMissing(): Promise<string | undefined> {
  if (!await hasLoops()) return "there are no loop devices here";
  try {
    await run(["mkfs.ext4", "-V"]);
    return undefined;
  } catch {
    // Ignored: that it is told is all there is to do.
    return "mkfs.ext4 is missing: install the package e2fsprogs";
  }
}

async function makeFilesystem(image: HostPath): Promise<void> {
  try {
    await run([...MKFS, image]);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    const { size } = await Deno.stat(image);
    throw new Fault("bad_request", `a size of ${size} bytes can't be enforced`, {
      cause: error,
      hint: "A file system of its own must fit in it: give 1MiB or more.",
    });
  }
}

const RELEASE_MS = 2_000;
const STEP_MS = 20;

/**
 * Has its loop device let go of it? That comes some moments after the unmount, unless one is in it; one
 * that a death left behind without a mount is taken away.
 */
async function isReleased(image: HostPath): Promise<boolean> {
  await detachLoop(image);
  const end = performance.now() + RELEASE_MS;
  while ((await loopDevices(image)).length > 0) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  return true;
}

async function mountImage(image: HostPath, path: HostPath): Promise<void> {
  await run(["mount", "-t", "ext4", "-o", MOUNT_OPTIONS, "--", image, path]);
}

/** After a crash of the host; reads one block where it was left clean. @see e2fsck(8) */
async function repair(image: HostPath): Promise<void> {
  // Somebody still has it mounted, in a namespace of his own: it is sound, and not to be touched.
  if ((await loopDevices(image)).length > 0) return;
  try {
    await run(["e2fsck", "-p", image]);
  } catch (error) {
    // 1: repaired.
    if (error instanceof ExecError && error.exitCode === 1) return;
    throw new Fault("internal", `the file system in "${image}" is damaged`, {
      cause: error,
      hint: "Repair it by e2fsck -f, or restore a snapshot.",
    });
  }
}

function tooSmall(sizeBytes: number, cause: Fault): Fault {
  return new Fault("bad_request", `the content does not fit in a size of ${sizeBytes} bytes`, {
    cause,
    hint: "Delete something in it, or give a larger size.",
  });
}
