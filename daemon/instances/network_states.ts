/** Network state of running containers: one helper process answers for all of them, no fork each. */
import type { InstanceState } from "#api/routes/instances.ts";
import type { HostPath, Pid } from "#base/brand.ts";

type Networks = InstanceState["network"];

const ANSWER_MS = 2_000;

/**
 * A long-lived `helper net`: a pid per line in, a line of JSON out, in the same order. Questions that come
 * at a time are written at once.
 */
export class NetworkStates implements Disposable {
  #child: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #waiting: PromiseWithResolvers<Networks>[] = [];
  /** Lines that are not written yet. */
  #questions = "";
  readonly #encoder = new TextEncoder();

  constructor(readonly helper: HostPath) {}

  /** Interfaces of a container by name; empty if it is gone. */
  of(pid: Pid): Promise<Networks> {
    const answer = Promise.withResolvers<Networks>();
    this.#waiting.push(answer);
    if (this.#questions === "") queueMicrotask(() => this.#ask());
    this.#questions += `${pid}\n`;
    return answer.promise;
  }

  #ask(): void {
    const questions = this.#encoder.encode(this.#questions);
    const last = this.#waiting.at(-1);
    this.#questions = "";
    if (last === undefined) return;
    const timer = setTimeout(() => this.#giveUp(), ANSWER_MS);
    void last.promise.finally(() => clearTimeout(timer));
    this.#start().write(questions)
      .catch(() => {}); // Ignored: the helper is gone, and the end of its output tells.
  }

  #start(): WritableStreamDefaultWriter<Uint8Array> {
    if (this.#writer !== undefined) return this.#writer;
    const child = new Deno.Command(this.helper, {
      args: ["net"],
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    child.unref();
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    void this.#read(child);
    return this.#writer;
  }

  async #read(child: Deno.ChildProcess): Promise<void> {
    let rest = "";
    try {
      // The helper writes ASCII.
      const decoder = new TextDecoder();
      for await (const chunk of child.stdout) {
        const lines = (rest + decoder.decode(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#waiting.shift()?.resolve(parse(line));
      }
    } catch {
      // Ignored: the process is gone; the next question starts another.
    }
    if (this.#child === child) this.#giveUp();
  }

  /** It died or hangs: answer what waits with nothing, and start anew next time. */
  #giveUp(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#questions = "";
    this[Symbol.dispose]();
    for (const one of waiting) one.resolve({});
  }

  [Symbol.dispose](): void {
    const child = this.#child;
    this.#child = undefined;
    this.#writer = undefined;
    try {
      child?.kill("SIGKILL");
    } catch {
      // Ignored: it has ended already.
    }
  }
}

function parse(line: string): Networks {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // Ignored: an interface vanished while it was printed.
  }
}
