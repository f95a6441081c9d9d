/** One client at the console of a container. */
import type { HostPath } from "#base/brand.ts";
import { Fault, LxcError } from "#base/errors.ts";
import { fdStream } from "#ffi/libc/fd.ts";
import { setWindowSize } from "#ffi/libc/pty.ts";
import { Container } from "#ffi/liblxc/container.ts";
import { parseControl } from "./control.ts";
import type { PendingSockets } from "./pending_sockets.ts";
import { receiveAll, sendAll } from "./streams.ts";

export const CONSOLE_SOCKETS = ["0", "control"];

export interface ConsoleOptions {
  readonly lxcName: string;
  readonly lxcPath: HostPath;
  readonly width: number;
  readonly height: number;
  readonly sockets: PendingSockets;
  readonly signal: AbortSignal;
}

/** Until the client goes or the container ends. @throws {Fault} if somebody else is there. */
export async function runConsole(options: ConsoleOptions): Promise<void> {
  const { sockets, signal, width, height } = options;
  try {
    await sockets.require(CONSOLE_SOCKETS, signal);
    const [data, control] = await Promise.all([sockets.peer("0"), sockets.peer("control")]);
    const { lock, master } = await attach(options);
    using _lock = lock;
    const terminal = master.fd;
    if (width > 0 && height > 0) setWindowSize(terminal, width, height);
    const stream = fdStream(master);
    const end = () => void stream.destroy();
    control.websocket.on("message", (message) => {
      const wish = parseControl(String(message));
      if (wish?.command !== "window-resize" || stream.destroyed) return;
      setWindowSize(terminal, wish.width, wish.height);
    });
    control.websocket.once("close", end);
    control.websocket.resume();
    signal.addEventListener("abort", end, { once: true });
    const gone = Promise.withResolvers<void>();
    stream.once("close", () => gone.resolve());
    void receiveAll(data, stream);
    await Promise.race([sendAll(stream, data, terminal), gone.promise]);
    signal.removeEventListener("abort", end);
    stream.destroy();
  } finally {
    sockets.close();
  }
}

async function attach({ lxcName, lxcPath }: ConsoleOptions) {
  try {
    using container = new Container(lxcName, lxcPath);
    return await container.console();
  } catch (error) {
    if (!(error instanceof LxcError)) throw error;
    throw new Fault("conflict", "There is already an active connection to this console", {
      cause: error,
      hint: "Detach there with ctrl+a q.",
    });
  }
}
