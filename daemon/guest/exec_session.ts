/** One exec over websockets: a program, its streams, its control. */
import type { Fd } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { fdStream, OwnedFd, pipe } from "#ffi/libc/fd.ts";
import { changeOwner } from "#ffi/libc/in_root.ts";
import { growPipe } from "#ffi/libc/pipe_size.ts";
import { isIdle, openPty, setWindowSize } from "#ffi/libc/pty.ts";
import { Container } from "#ffi/liblxc/container.ts";
import type { Socket } from "node:net";
import { parseControl } from "./control.ts";
import type { Wish } from "./exec_plan.ts";
import { type Place, Program } from "./program.ts";
import { type Peer, receiveAll, sendAll } from "./streams.ts";

export interface ExecOptions {
  readonly place: Place;
  readonly wish: Wish;
  readonly interactive: boolean;
  readonly width: number;
  readonly height: number;
  /** Owner of the terminal, as ids of the host. */
  readonly terminalUid: number;
  readonly sockets: ExecSockets;
  readonly signal: AbortSignal;
}

/** The client's ends, however they come. */
export interface ExecSockets {
  /** Settles when it is connected; never, if it does not come. */
  peer(name: string): Promise<Peer>;
  isConnected(name: string): boolean;
  /** @throws {Fault} bad_request if one of them is not there in time, or the signal's reason. */
  require(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Say goodbye on all of them. */
  close(): void;
}

export const EXEC_SOCKETS = {
  interactive: { all: ["0", "control"], needed: ["0", "control"] },
  pipes: { all: ["0", "1", "2", "control"], needed: ["0", "1", "2"] },
} as const;

/** A program that waits for its peers, with this side of its streams. */
interface Prepared extends Disposable {
  readonly program: Program;
  /** @returns the exit status when all has been passed on. */
  pass(): Promise<number>;
}

/** Run it to its end. @returns the exit status. @throws {Fault} if it can't be run. */
export async function runSession(options: ExecOptions): Promise<number> {
  const { sockets, signal, interactive } = options;
  const { needed } = EXEC_SOCKETS[interactive ? "interactive" : "pipes"];
  try {
    await afterReply();
    using prepared = interactive ? await prepareTerminal(options) : preparePipes(options);
    try {
      await sockets.require(needed, signal);
    } catch (error) {
      prepared.program.drop();
      throw error;
    }
    prepared.program.run();
    return await prepared.pass();
  } finally {
    sockets.close();
  }
}

/** The client hears of the operation first: it connects while the program is prepared. */
function afterReply(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

const NO_GROUP_CHANGE = 0xffffffff;
/** After the end of a program on a terminal that somebody still holds: how long nothing must come, twice. */
const QUIET_MS = 25;

async function prepareTerminal(options: ExecOptions): Promise<Prepared> {
  const { place, wish, width, height } = options;
  const { master, slave } = await openTerminal(place);
  using held = slave;
  using ours = master;
  if (width > 0 && height > 0) setWindowSize(ours.fd, width, height);
  changeOwner(held.fd, options.terminalUid, NO_GROUP_CHANGE);
  const program = new Program({ place, wish, terminal: true, fds: [held.fd, held.fd, held.fd] });
  const masterFd = ours.fd;
  const stream = fdStream(new OwnedFd(ours.take()));
  const resize = (columns: number, rows: number) => {
    if (!stream.destroyed) setWindowSize(masterFd, columns, rows);
  };
  return {
    program,
    pass: () => passTerminal(options, program, { stream, fd: masterFd, resize }),
    [Symbol.dispose]: () => void stream.destroy(),
  };
}

interface Terminal {
  readonly stream: Socket;
  /** Open as long as the stream is. */
  readonly fd: Fd;
  resize(columns: number, rows: number): void;
}

async function passTerminal(
  options: ExecOptions,
  program: Program,
  { stream, fd, resize }: Terminal,
): Promise<number> {
  const peer = await options.sockets.peer("0");
  using _control = followControl(options, program, resize);
  const sent = sendAll(stream, peer, fd);
  void receiveAll(peer, stream).then(() => {
    // The input has ended: the terminal's own way to say so.
    if (!stream.destroyed) stream.write("\x04");
  });
  const status = await program.ended;
  await Promise.race([sent, untilQuiet(stream, fd, peer)]);
  return status;
}

async function openTerminal({ lxcName, lxcPath }: Place) {
  using container = new Container(lxcName, lxcPath);
  using devpts = await container.devpts();
  return openPty(devpts?.fd);
}

/** The program has ended, others still hold its terminal: what it wrote arrives, then it is over. */
async function untilQuiet(stream: Socket, fd: Fd, { socket, end }: Peer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let wasIdle = false;
  const look = () => {
    // A peer that does not keep up still gets what is there.
    const isQuiet = !stream.isPaused() && socket.writableLength === 0 && isIdle(fd);
    // The first time, what the kernel had may be on its way to us.
    if (isQuiet && wasIdle) return void end(resolve);
    wasIdle = isQuiet;
    timer = setTimeout(look, QUIET_MS);
  };
  let timer = setTimeout(look, QUIET_MS);
  stream.on("data", () => {
    wasIdle = false;
  });
  stream.once("close", () => {
    clearTimeout(timer);
    resolve();
  });
  await promise;
}

function preparePipes(options: ExecOptions): Prepared {
  const { place, wish } = options;
  const [input, output, error] = [pipe(), pipe(), pipe()];
  const theirs: readonly OwnedFd[] = [input.reader, output.writer, error.writer];
  const mine: readonly OwnedFd[] = [input.writer, output.reader, error.reader];
  let program: Program;
  try {
    for (const { fd } of [input.writer, output.reader]) growPipe(fd);
    const [stdin, stdout, stderr] = [input.reader.fd, output.writer.fd, error.writer.fd];
    program = new Program({ place, wish, terminal: false, fds: [stdin, stdout, stderr] });
  } catch (problem) {
    for (const end of mine) end[Symbol.dispose]();
    throw problem;
  } finally {
    for (const end of theirs) end[Symbol.dispose]();
  }
  const streams = {
    stdin: fdStream(input.writer, "write"),
    stdout: fdStream(output.reader, "read"),
    stderr: fdStream(error.reader, "read"),
  };
  return {
    program,
    pass: () => passPipes(options, program, streams),
    [Symbol.dispose]() {
      for (const stream of Object.values(streams)) stream.destroy();
    },
  };
}

async function passPipes(
  options: ExecOptions,
  program: Program,
  { stdin, stdout, stderr }: Readonly<Record<"stdin" | "stdout" | "stderr", Socket>>,
): Promise<number> {
  const { sockets } = options;
  using _control = followControl(options, program, () => {});
  const peers = await Promise.all(["0", "1", "2"].map((name) => sockets.peer(name)));
  const [in0, out1, err2] = peers as [Peer, Peer, Peer];
  void receiveAll(in0, stdin).then(() => stdin.end());
  out1.websocket.once("close", () => {
    // Nobody else could end it.
    if (!sockets.isConnected("control")) program.kill();
  });
  const sent = Promise.all([sendAll(stdout, out1), sendAll(stderr, err2)]);
  const status = await program.ended;
  await sent;
  return status;
}

/** Resize and signal as the client says; kill the program when it goes, or at a cancel. */
function followControl(
  { sockets, signal }: ExecOptions,
  program: Program,
  resize: (columns: number, rows: number) => void,
): Disposable {
  const kill = () => program.kill();
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  void sockets.peer("control").then(({ websocket }) => {
    websocket.on("message", (data) => {
      const message = parseControl(String(data));
      if (message?.command === "signal") program.signal(message.signal);
      if (message?.command === "window-resize") resize(message.width, message.height);
    });
    websocket.once("close", kill);
    websocket.resume();
    if (websocket.readyState !== websocket.OPEN) kill();
  });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", kill) };
}

/** LXD's words for a program that is missing or can't be run. */
export function assertRan(status: number): void {
  if (status === 127) throw new Fault("bad_request", "Command not found");
  if (status === 126) throw new Fault("bad_request", "Command not executable");
}
