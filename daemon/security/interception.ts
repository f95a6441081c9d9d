/** The helper that answers intercepted system calls: one for all containers, from the first that asks. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";

const READY_MS = 5_000;
const SOCKET_NAME_MAX = 107;

/** Owns the helper; disposing ends it. */
export class Interception implements Disposable {
  #child: Promise<Deno.ChildProcess> | undefined;

  /** @param socket Where monitors of containers find it: seccomp.socket under the state directory. */
  constructor(readonly helper: HostPath, readonly socket: HostPath) {}

  /** It runs and listens afterwards. @throws {Fault} unavailable */
  async ensure(): Promise<void> {
    this.#child ??= this.#start();
    await this.#child;
  }

  async #start(): Promise<Deno.ChildProcess> {
    if (this.socket.length > SOCKET_NAME_MAX) {
      throw new Fault("unavailable", `cannot listen on "${this.socket}": the path is too long`);
    }
    const child = new Deno.Command(this.helper, {
      args: ["seccomp", this.socket],
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    child.unref();
    void child.status.then(() => this.#child = undefined);
    const late = setTimeout(() => child.kill("SIGKILL"), READY_MS);
    using reader = disposable(child.stdout.getReader());
    const { done } = await reader.read();
    clearTimeout(late);
    if (done) {
      this.#child = undefined;
      throw new Fault("unavailable", "cannot intercept system calls: the helper did not start");
    }
    return child;
  }

  [Symbol.dispose](): void {
    const child = this.#child;
    this.#child = undefined;
    // Its standard input ends, and so does it.
    void child?.then((one) => one.stdin.close())
      .catch(() => undefined); // Ignored: it did not start, or has ended.
  }
}

function disposable(reader: ReadableStreamDefaultReader<Uint8Array>) {
  return {
    read: () => reader.read(),
    [Symbol.dispose]: () => void reader.cancel().catch(() => undefined), // Ignored: it has ended.
  };
}
