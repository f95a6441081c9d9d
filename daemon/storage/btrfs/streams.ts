/**
 * Subvolumes as streams of btrfs send and receive. A session keeps what it sent or received as
 * read-only subvolumes until its end, so that each stream holds only what changed since the one before
 * it. @see btrfs-send(8)
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { entries, removeIfEmpty } from "#daemon/host/files.ts";
import type { StreamPart } from "#daemon/storage/driver.ts";
import { receiveBy, sendBy } from "#daemon/storage/stream_programs.ts";
import { isReadOnlySubvolume, setReadOnlySubvolume } from "#ffi/libc/btrfs.ts";
import { btrfs, deleteTree, faultOf, nestedSubvolumes } from "./subvolume.ts";

/** Owns `staging`; disposing deletes it. */
export class BtrfsSender implements AsyncDisposable {
  readonly #staging: HostPath;
  /** What was sent last at each path within the volume. */
  readonly #sent = new Map<string, HostPath>();
  #count = 0;

  /** @param staging A path on the pool that does not exist yet. */
  constructor(staging: HostPath) {
    this.#staging = staging;
  }

  /** The subvolume, then those in it, parents first. Read each stream before you ask for the next. */
  async *send(source: HostPath, signal?: AbortSignal): AsyncGenerator<StreamPart> {
    await Deno.mkdir(this.#staging, { recursive: true, mode: 0o700 });
    for (const path of ["", ...nestedSubvolumes(source)]) {
      const frozen = hostPath(`${this.#staging}/${this.#count++}`);
      await btrfs("subvolume", "snapshot", "-r", `${source}/${path}`, frozen);
      const parent = this.#sent.get(path);
      const options = parent === undefined ? [] : ["-p", parent];
      const argv = ["btrfs", "send", "--quiet", ...options, frozen];
      const { stream, success } = sendBy(argv, { signal, faultOf });
      const isReadOnly = path !== "" && isReadOnlySubvolume(`${source}/${path}`);
      yield { path, isReadOnly, stream };
      await success();
      this.#sent.set(path, frozen);
    }
  }

  async [Symbol.asyncDispose]() {
    await deleteTree(this.#staging);
  }
}

/** Owns `staging`; disposing deletes it, what was received stays. */
export class BtrfsReceiver implements AsyncDisposable {
  readonly #staging: HostPath;
  #count = 0;

  /** @param staging A path on the pool that does not exist yet. */
  constructor(staging: HostPath) {
    this.#staging = staging;
  }

  /** Make a subvolume at `target`, with those in it, writable. */
  async receive(
    target: HostPath,
    parts: AsyncIterable<StreamPart>,
    signal?: AbortSignal,
  ): Promise<void> {
    const readOnly: HostPath[] = [];
    for await (const { path, isReadOnly, stream } of parts) {
      const received = await this.#receiveOne(stream, signal);
      const place = path === "" ? target : hostPath(`${target}/${path}`);
      // An empty directory may stand where the nested subvolume was.
      if (path !== "") await removeIfEmpty(place);
      await btrfs("subvolume", "snapshot", received, place);
      if (isReadOnly) readOnly.push(place);
    }
    for (const place of readOnly.toReversed()) setReadOnlySubvolume(place, true);
  }

  async #receiveOne(stream: ReadableStream<Uint8Array>, signal?: AbortSignal): Promise<HostPath> {
    const folder = hostPath(`${this.#staging}/${this.#count++}`);
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const argv = ["btrfs", "receive", "--quiet", "-e", folder];
    await receiveBy(argv, stream, { signal, faultOf });
    const [name] = await entries(folder);
    if (name === undefined) throw new Fault("bad_request", "the btrfs stream is empty");
    return hostPath(`${folder}/${name}`);
  }

  async [Symbol.asyncDispose]() {
    await deleteTree(this.#staging);
  }
}
