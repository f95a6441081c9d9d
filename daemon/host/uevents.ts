/** Devices that come and go, as the kernel tells: one helper for all who listen, none if nobody does. */
import type { HostPath } from "#base/brand.ts";

/** A device comes in several events: they are told once. */
const SETTLE_MS = 50;
const RESTART_MS = 1000;

/** The helper is started anew if it ends; disposing forgets all listeners. */
export class Uevents implements Disposable {
  readonly #listeners = new Map<string, () => void>();
  #child: Deno.ChildProcess | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly helper: HostPath,
    readonly onError: (what: string, error: unknown) => void,
  ) {}

  /** Replace the listener `key`. It is called after any change: it looks what there is. */
  set(key: string, onChange: () => void): void {
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
    // "ready" counts too: what came before it was not told.
    for await (const _events of child.stdout) this.#tell();
    await child.status;
    if (this.#child !== child) return;
    this.#timer = setTimeout(() => this.#listen(), RESTART_MS);
  }

  #tell(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const listener of [...this.#listeners.values()]) listener();
    }, SETTLE_MS);
  }
}
