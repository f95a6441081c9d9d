/** Devices that come and go, as the kernel tells: one helper for all who listen, none if nobody does. */
import type { HostPath } from "#base/brand.ts";

/** "add@/devices/...", then "KEY=value": one message of the kernel, without its number. */
export type Uevent = readonly string[];

/** A device comes in several events: they are told once. */
const SETTLE_MS = 50;
const RESTART_MS = 1000;

/** The helper is started anew if it ends; disposing forgets all listeners. */
export class Uevents implements Disposable {
  readonly #listeners = new Map<string, (events: readonly Uevent[]) => void>();
  #events: Uevent[] = [];
  #child: Deno.ChildProcess | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly helper: HostPath,
    readonly onError: (what: string, error: unknown) => void,
  ) {}

  /**
   * Replace the listener `key`. It is called after any change: it looks what there is. The events are those
   * since the last call, some may be lost.
   */
  set(key: string, onChange: (events: readonly Uevent[]) => void): void {
    this.#listeners.set(key, onChange);
    if (this.#child === undefined) this.#listen();
  }

  /** Idempotent. */
  delete(key: string): void {
    this.#listeners.delete(key);
    if (this.#listeners.size === 0) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#listeners.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#events = [];
    const child = this.#child;
    this.#child = undefined;
    try {
      child?.kill("SIGKILL");
    } catch {
      // Ignored: it ended already.
    }
  }

  #listen(): void {
    const child = new Deno.Command(this.helper, {
      args: ["uevents"],
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#child = child;
    void this.#follow(child).catch((error) => {
      if (this.#child === child) this.onError("listen for devices", error);
    });
  }

  async #follow(child: Deno.ChildProcess): Promise<void> {
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const messages = (text + chunk).split("\0\0");
      text = messages.pop() ?? "";
      this.#events.push(...messages.map(readMessage).filter((event) => event.length > 1));
      // "ready" counts too: what came before it was not told.
      this.#tell();
    }
    await child.status;
    if (this.#child !== child) return;
    this.#timer = setTimeout(() => this.#listen(), RESTART_MS);
  }

  #tell(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const events = this.#events;
      this.#events = [];
      for (const listener of [...this.#listeners.values()]) listener(events);
    }, SETTLE_MS);
  }
}

function readMessage(text: string): Uevent {
  return text.split("\0").filter((part) => !part.startsWith("SEQNUM="));
}
