/** A program in an instance: prepared by the helper, which is told when to run it, and tells its end. */
import { type Fd, type HostPath, type Pid, pid as brandPid } from "#base/brand.ts";
import { ERRNO, Fault, isErrno } from "#base/errors.ts";
import { fdStream, OwnedFd, socketPair } from "#ffi/libc/fd.ts";
import { openPidfd, parentOf, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";
import type { Socket } from "node:net";
import type { Wish } from "./exec_plan.ts";

/** Where an instance is for liblxc. */
export interface Place {
  readonly helper: HostPath;
  readonly lxcPath: HostPath;
  readonly lxcName: string;
}

export interface ProgramOptions {
  readonly place: Place;
  readonly wish: Wish;
  readonly terminal: boolean;
  /** Standard input, output and error; null is /dev/null. The caller keeps and closes its own. */
  readonly fds: readonly [Fd | null, Fd | null, Fd | null];
}

const SIGKILL = 9;
const SIGNAL_BASE = 128;

export class Program {
  /** Exit status as shells count: 128 + n for signal n. @throws {Fault} if it could not be started. */
  readonly ended: Promise<number>;
  readonly #helper: Socket;
  #pidfd: OwnedFd | undefined;
  /** Signals that came before the program was there. */
  #early: number[] = [];
  #isOver = false;

  /**
   * It does not run before `run()`. Whoever makes one calls that, or `drop()`.
   *
   * @throws {Fault} bad_request if the call is too long for the kernel.
   */
  constructor(options: ProgramOptions) {
    const { place, wish, terminal, fds } = options;
    const [ours, theirs] = socketPair();
    using mine = ours;
    using its = theirs;
    const env = Object.entries(wish.environment).map(([key, value]) => `${key}=${value}`);
    const argv = [
      ...[place.helper, "exec", place.lxcPath, place.lxcName, "3"],
      ...[`${wish.user}`, `${wish.group}`, wish.cwd, terminal ? "tty" : "pipe"],
      wish.isNative ? "native" : "any",
      ...[`${env.length}`, ...env, ...wish.command],
    ];
    const helper = start(argv, [...fds, its.fd]);
    this.#helper = fdStream(new OwnedFd(mine.take()));
    this.#helper.on("error", () => {}); // Ignored: the helper has gone, `ended` tells.
    this.ended = this.#watch(helper);
    this.ended.catch(() => {}); // Ignored: whoever awaits `ended` gets it.
  }

  run(): void {
    this.#helper.write("\n");
  }

  /** It shall not run. */
  drop(): void {
    this.#helper.end();
  }

  /** @returns false if it is over. */
  signal(number: number): boolean {
    if (this.#isOver) return false;
    if (this.#pidfd === undefined) return this.#early.push(number) > 0;
    return signalPidfd(this.#pidfd.fd, number);
  }

  kill(): void {
    this.signal(SIGKILL);
  }

  async #watch(helper: Pid): Promise<number> {
    let text: string;
    try {
      text = await this.#said((sofar) => this.#noticePid(sofar, helper));
    } finally {
      reap(helper);
      this.#isOver = true;
      this.#pidfd?.[Symbol.dispose]();
    }
    const [, word, value] = /^(exit|signal) (\d+)$/m.exec(text) ?? [];
    if (word === "exit") return Number(value);
    if (word === "signal") return SIGNAL_BASE + Number(value);
    throw new Fault("internal", "cannot run the command in the instance: attaching to it failed", {
      hint: "Is it running? lxc info --show-log says more.",
    });
  }

  /**
   * All that the helper says until its end. By events: an iterator of a stream costs more than the rest of this.
   * @throws what `onMore` throws.
   */
  #said(onMore: (sofar: string) => void): Promise<string> {
    const stream = this.#helper;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let text = "";
    stream.on("data", (chunk) => {
      text += String(chunk);
      try {
        onMore(text);
      } catch (error) {
        reject(error);
        stream.destroy();
      }
    });
    stream.once("end", () => void stream.destroy());
    stream.once("close", () => resolve(text));
    return promise;
  }

  #noticePid(text: string, helper: Pid): void {
    const value = /^pid (\d+)$/m.exec(text)?.[1];
    if (value === undefined || this.#pidfd !== undefined || this.#isOver) return;
    this.#pidfd = openChild(brandPid(Number(value)), helper);
    this.#isOver = this.#pidfd === undefined;
    for (const number of this.#early.splice(0)) this.signal(number);
  }
}

/** Undefined if it has ended; a process that got its number meanwhile has another parent. */
function openChild(child: Pid, parent: Pid): OwnedFd | undefined {
  try {
    using pidfd = openPidfd(child);
    return parentOf(child) === parent ? new OwnedFd(pidfd.take()) : undefined;
  } catch (error) {
    if (isErrno(error, ERRNO.ESRCH)) return undefined;
    throw error;
  }
}

function start(argv: readonly string[], fds: readonly (Fd | null)[]) {
  try {
    return spawn(argv, { fds, env: { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
  } catch (error) {
    throw new Fault("bad_request", `cannot run the command: ${String(error)}`, { cause: error });
  }
}
