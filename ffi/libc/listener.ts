/** What node:net leaves open about listening sockets. */
import { fd as brandFd } from "#base/brand.ts";
import { check, libc } from "./open.ts";
import { peerCredentials } from "./peer.ts";
import type { Server, Socket } from "node:net";

const F_SETFD = 2;
const FD_CLOEXEC = 1n;

/**
 * Keep a listening socket from the programs that the daemon runs: the runtime makes it without
 * O_CLOEXEC, and a helper that has it goes on listening when the daemon is gone.
 */
export function keepFromChildren(server: Server): void {
  const handle = descriptor(server);
  if (handle !== undefined) check(libc().fcntl(handle, F_SETFD, FD_CLOEXEC), "fcntl");
}

/** Who called listen(2) on the other end of a connected unix socket? */
export function listenerPid(socket: Socket): number {
  const handle = descriptor(socket);
  return handle === undefined ? 0 : peerCredentials(handle).pid;
}

function descriptor(owner: Server | Socket) {
  const handle = (owner as { _handle?: { fd?: number } | null })._handle;
  return handle?.fd === undefined || handle.fd < 0 ? undefined : brandFd(handle.fd);
}
