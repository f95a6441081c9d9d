/**
 * Volumes as streams of zfs send and receive. A session sends states of one volume, each as what changed
 * since the one before it; the other end builds them out of sight. @see zfs-send(8)
 */
import type { CreateOptions, StreamPart, StreamReceiver } from "#daemon/storage/driver.ts";
import { receiveBy, sendBy } from "#daemon/storage/stream_programs.ts";
import type { Volume } from "#daemon/storage/volume.ts";
import { hiddenSnapshot } from "./names.ts";
import { faultOf, zfs } from "./tool.ts";

/** Owns the snapshots that it makes; disposing deletes them. */
export class ZfsSender implements AsyncDisposable {
  /** What the other end has. */
  #sent: string | undefined;
  readonly #made: string[] = [];

  /** @param base A snapshot that the other end has already. */
  constructor(base?: string) {
    this.#sent = base;
  }

  /** @param snapshot Full name; undefined: the present state of the dataset. */
  async *send(
    dataset: string,
    snapshot: string | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<StreamPart> {
    const name = snapshot ?? hiddenSnapshot(dataset, "migration");
    if (snapshot === undefined) {
      await zfs("snapshot", name);
      this.#made.push(name);
    }
    const base = this.#sent === undefined ? [] : ["-i", this.#sent];
    const { stream, success } = sendBy(["zfs", "send", ...base, name], { signal, faultOf });
    yield { path: "", isReadOnly: false, stream };
    await success();
    this.#sent = name;
  }

  async [Symbol.asyncDispose]() {
    for (const name of this.#made) await zfs("destroy", name);
  }
}

export interface Reception {
  /** The snapshot that the first stream was sent from: the dataset becomes a clone of it. */
  readonly origin: string | undefined;
  /** What follows the "@" in its full name. */
  snapshotOf(volume: Volume, snapshot: string): string;
  /** All has come: make it the volume. */
  finish(dataset: string, volume: Volume, sizeBytes: number): Promise<void>;
  /** Remove what is left of it. Absent is no error. */
  discard(dataset: string): Promise<void>;
}

/** The first stream of a session makes the dataset; disposed before its end, it is discarded. */
export class ZfsReceiver implements StreamReceiver {
  readonly #dataset: string;
  readonly #reception: Reception;
  #isFirst = true;

  /** @param dataset Where the volume is built; it does not exist yet. */
  constructor(dataset: string, reception: Reception) {
    this.#dataset = dataset;
    this.#reception = reception;
  }

  async receive(
    volume: Volume,
    parts: AsyncIterable<StreamPart>,
    options: CreateOptions & { readonly snapshot?: string } = {},
  ): Promise<void> {
    const { snapshot, sizeBytes = 0, signal } = options;
    const name = snapshot === undefined
      ? hiddenSnapshot(this.#dataset, "migration")
      : `${this.#dataset}@${this.#reception.snapshotOf(volume, snapshot)}`;
    for await (const { stream } of parts) await this.#receiveOne(name, stream, signal);
    if (snapshot !== undefined) return;
    await zfs("destroy", name);
    await this.#reception.finish(this.#dataset, volume, sizeBytes);
  }

  async #receiveOne(name: string, stream: ReadableStream<Uint8Array>, signal?: AbortSignal) {
    const { origin } = this.#reception;
    const from = this.#isFirst && origin !== undefined ? ["-o", `origin=${origin}`] : [];
    this.#isFirst = false;
    const argv = ["zfs", "receive", "-u", "-F", ...from, name];
    await receiveBy(argv, stream, { signal, faultOf });
  }

  async [Symbol.asyncDispose]() {
    await this.#reception.discard(this.#dataset);
  }
}
