/** The control websocket of exec and console: window sizes and signals. */
import type { WebSocketConnection } from "#api/websocket.ts";
import { terminalSize } from "./raw_mode.ts";
import { drain } from "./streams.ts";

/** Signals that go to the program in the instance instead of ending the client. */
const FORWARDED = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
} as const;

type Send = (message: unknown) => void;

/** Forward what concerns the program, until disposed: signals and, on a terminal, its size. */
export function forward(send: Send, isTerminal: boolean): Disposable {
  const stack = new DisposableStack();
  stack.use(forwardSignals(send));
  if (isTerminal) stack.use(forwardSize(send));
  return stack;
}

/** Forward this process's signals until disposed. */
function forwardSignals(send: Send): Disposable {
  const listeners = Object.entries(FORWARDED).map(([name, signal]) => {
    const listener = () => send({ command: "signal", signal });
    Deno.addSignalListener(name as Deno.Signal, listener);
    return () => Deno.removeSignalListener(name as Deno.Signal, listener);
  });
  return {
    [Symbol.dispose]() {
      for (const remove of listeners) remove();
    },
  };
}

/** Tell every change of the window's size until disposed. */
export function forwardSize(send: Send): Disposable {
  const listener = () => {
    const { width, height } = terminalSize();
    const args = { width: String(width), height: String(height) };
    send({ command: "window-resize", args });
  };
  Deno.addSignalListener("SIGWINCH", listener);
  return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGWINCH", listener) };
}

/** Like controlSender(), on a websocket that is opened when there is something to send. */
export function lazySender(
  open: () => Promise<WebSocketConnection>,
): Disposable & { readonly send: Send } {
  let opened: Promise<WebSocketConnection> | undefined;
  const openOnce = async () => {
    const socket = await open();
    drain(socket).catch(() => {}); // Ignored: the connection of the streams tells the end.
    return socket;
  };
  return {
    send: (message) => {
      opened ??= openOnce();
      opened.then((socket) => controlSender(socket)(message), () => {}); // Ignored: it has ended.
    },
    [Symbol.dispose]: () => void opened?.then((socket) => socket[Symbol.dispose](), () => {}),
  };
}

/** Sends commands as JSON. */
export function controlSender(socket: WebSocketConnection): Send {
  return (message) => {
    socket.send(JSON.stringify(message), "text").catch(() => {}); // Ignored: the program has ended.
  };
}
