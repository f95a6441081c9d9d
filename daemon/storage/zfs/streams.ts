/**
 * Volumes as streams of zfs send and receive. A session sends states of one volume, each as what changed
 * since the one before it; the other end builds them out of sight. @see zfs-send(8)
 */
import { ExecError } from "#base/errors.ts";
import type { CreateOptions, StreamPart, StreamReceiver } from "#daemon/storage/driver.ts";
import type { Volume } from "#daemon/storage/volume.ts";
import { hiddenSnapshot } from "./names.ts";
import { faultOf, zfs } from "./tool.ts";

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
    const child = start(["send", ...base, name], { stdin: "null", stdout: "piped" }, signal);
    const words = new Response(child.stderr).text();
    yield { path: "", isReadOnly: false, stream: child.stdout };
    await requireSuccess("send", child, words);
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
    const child = start(
      ["receive", "-u", "-F", ...from, name],
      { stdin: "piped", stdout: "null" },
      signal,
    );
    const words = new Response(child.stderr).text();
    // The receiver's own words say more than the broken pipe.
    await stream.pipeTo(child.stdin).catch(() => undefined);
    await requireSuccess("receive", child, words);
  }

  async [Symbol.asyncDispose]() {
    await this.#reception.discard(this.#dataset);
  }
}

function start(
  args: readonly string[],
  streams: { readonly stdin: "null" | "piped"; readonly stdout: "null" | "piped" },
  signal: AbortSignal | undefined,
): Deno.ChildProcess {
  return new Deno.Command("zfs", {
    args: [...args],
    env: { LC_ALL: "C" },
    ...streams,
    stderr: "piped",
    ...(signal === undefined ? {} : { signal }),
  }).spawn();
}

async function requireSuccess(
  verb: string,
  child: Deno.ChildProcess,
  words: Promise<string>,
): Promise<void> {
  const [{ success, code }, text] = await Promise.all([child.status, words]);
  if (success) return;
  const error = new ExecError(["zfs", verb], code, text.slice(-2000));
  throw faultOf(error) ?? error;
}
