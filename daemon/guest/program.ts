/** A program in an instance: prepared by the helper, which is told when to run it, and tells its end. */
import type { Fd, HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { fdStream, OwnedFd, socketPair } from "#ffi/libc/fd.ts";
import type { Socket } from "node:net";
import type { Wish } from "./exec_plan.ts";
import { encodeRequest } from "./exec_request.ts";
import type { ExecServer } from "./exec_server.ts";

/** Where an instance is for liblxc, and who runs programs there. */
export interface Place {
  readonly server: ExecServer;
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

/** Owns our end of a connection to the helper, which knows by its close that nobody listens. */
export class Program {
  /** Exit status as shells count: 128 + n for signal n. @throws {Fault} if it could not be started. */
  readonly ended: Promise<number>;
  readonly #helper: Socket;
  /** Signals that came before it was to run. */
  #early: number[] | undefined = [];

  /**
   * It does not run before `run()`. Whoever makes one calls that, or `drop()`.
   *
   * @throws {Fault} internal if there is no helper.
   */
  constructor({ place, wish, terminal, fds }: ProgramOptions) {
    const [ours, theirs] = socketPair();
    using mine = ours;
    using its = theirs;
    try {
      place.server.start(its.fd, fds);
    } catch (error) {
      throw new Fault("internal", `cannot run the command: ${String(error)}`, { cause: error });
    }
    this.#helper = fdStream(new OwnedFd(mine.take()));
    this.#helper.on("error", () => {}); // Ignored: the helper has gone, `ended` tells.
    this.ended = this.#watch();
    this.ended.catch(() => {}); // Ignored: whoever awaits `ended` gets it.
    this.#helper.write(encodeRequest({ ...place, wish, terminal }));
  }

  run(): void {
    this.#helper.write("\n");
    for (const number of this.#early?.splice(0) ?? []) this.#send(number);
    this.#early = undefined;
  }

  /** It shall not run. */
  drop(): void {
    this.#helper.end();
  }

  /** Nothing, if it is over. */
  signal(number: number): void {
    if (this.#early === undefined) this.#send(number);
    else this.#early.push(number);
  }

  kill(): void {
    this.signal(SIGKILL);
  }

  #send(number: number): void {
    if (!this.#helper.destroyed) this.#helper.write(Uint8Array.of(number));
  }

  async #watch(): Promise<number> {
    const text = await said(this.#helper);
    const [, word, value] = /^(exit|signal) (\d+)$/m.exec(text) ?? [];
    if (word === "exit") return Number(value);
    if (word === "signal") return SIGNAL_BASE + Number(value);
    throw new Fault("internal", "cannot run the command in the instance: attaching to it failed", {
      hint: "Is it running? lxc info --show-log says more.",
    });
  }
}

/** All that comes until the end. By events: an iterator of a stream costs more than the rest of this. */
function said(stream: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  stream.on("data", (chunk) => void (text += String(chunk)));
  stream.once("end", () => void stream.destroy());
  stream.once("close", () => resolve(text));
  return promise;
}
