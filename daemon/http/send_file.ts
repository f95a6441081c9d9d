/** Send a file of the host that nobody else can swap: links are not followed. */
import { dispositionOf } from "#daemon/guest/files/headers.ts";
import { hostPath } from "#base/brand.ts";
import { ERRNO, Fault, isErrno } from "#base/errors.ts";
import { exists } from "#daemon/host/files.ts";
import { O, openPath } from "#ffi/libc/fd.ts";
import { sendBytes } from "#daemon/host/send_bytes.ts";
import type { ServerResponse } from "node:http";

/**
 * @param options.isEmptyIfMissing Send one without contents in place of one that is not there.
 * @throws {Fault} not_found with `missing`, if it is not there or is a link.
 */
export async function sendFile(
  response: ServerResponse,
  path: string,
  options: { readonly missing: string; readonly isEmptyIfMissing?: boolean },
): Promise<void> {
  const isNothing = options.isEmptyIfMissing === true && !await exists(path);
  using held = openFile(isNothing ? "/dev/null" : path, options.missing);
  const { size } = await Deno.stat(`/proc/self/fd/${held.fd}`);
  response.writeHead(200, {
    "Content-Type": "application/octet-stream",
    "Content-Length": size,
    "Content-Disposition": dispositionOf(path),
  });
  if (size === 0) return void response.end();
  try {
    await sendBytes(response, hostPath(`/proc/self/fd/${held.fd}`), { size });
  } catch {
    response.destroy(); // Ignored: the client went away, or the file has shrunk.
  }
}

function openFile(path: string, missing: string) {
  try {
    return openPath(path, O.RDONLY | O.NOFOLLOW | O.NONBLOCK);
  } catch (error) {
    if (!isErrno(error, ERRNO.ENOENT, ERRNO.ELOOP)) throw error;
    throw new Fault("not_found", missing, { cause: error });
  }
}
