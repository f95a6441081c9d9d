/** Messages on a control websocket: window sizes and signals. */

export type ControlMessage =
  | { readonly command: "window-resize"; readonly width: number; readonly height: number }
  | { readonly command: "signal"; readonly signal: number };

const SIZE_MAX = 65535;
const SIGNAL_MAX = 64;

/** undefined: not understood, and ignored as LXD does. */
export function parseControl(text: string): ControlMessage | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined; // Ignored: see above.
  }
  if (typeof message !== "object" || message === null || !("command" in message)) return undefined;
  const { command } = message;
  if (command === "signal" && "signal" in message) {
    const signal = Number(message.signal);
    const isSignal = Number.isInteger(signal) && signal > 0 && signal <= SIGNAL_MAX;
    return isSignal ? { command, signal } : undefined;
  }
  const args = "args" in message ? message.args : undefined;
  if (command !== "window-resize" || typeof args !== "object" || args === null) return undefined;
  const { width, height } = args as Record<string, unknown>;
  const [columns, rows] = [Number(width), Number(height)];
  const isSize = [columns, rows].every((n) => Number.isInteger(n) && n >= 0 && n <= SIZE_MAX);
  return isSize ? { command, width: columns, height: rows } : undefined;
}
