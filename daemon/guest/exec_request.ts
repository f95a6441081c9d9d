/** What the helper is asked to run, as bytes. Pure. @see ffi/native/helper_exec.c */
import type { HostPath } from "#base/brand.ts";
import type { Wish } from "./exec_plan.ts";

export interface ExecRequest {
  readonly lxcPath: HostPath;
  readonly lxcName: string;
  readonly wish: Wish;
  /** Standard input is one, and shall control the program. */
  readonly terminal: boolean;
}

const encoder = new TextEncoder();
const LENGTH_BYTES = 4;

/** Its words, each with a NUL at its end, behind their length. */
export function encodeRequest(
  { lxcPath, lxcName, wish, terminal }: ExecRequest,
): Uint8Array<ArrayBuffer> {
  const env = Object.entries(wish.environment).map(([key, value]) => `${key}=${value}`);
  const words = [
    ...[lxcPath, lxcName, `${wish.user}`, `${wish.group}`, wish.cwd, terminal ? "tty" : "pipe"],
    wish.isNative ? "native" : "any",
    ...[`${env.length}`, ...env, ...wish.command],
  ];
  const text = encoder.encode(words.join("\0") + "\0");
  const request = new Uint8Array(LENGTH_BYTES + text.length);
  new DataView(request.buffer).setUint32(0, text.length, true);
  request.set(text, LENGTH_BYTES);
  return request;
}
