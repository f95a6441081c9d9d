/** Which container a process belongs to: by its process namespace, or that of a process above it. */
import { type Fd, type Pid, pid as brandPid } from "#base/brand.ts";
import { parentOf } from "#ffi/libc/process.ts";
import { isAlive, peerCredentials, peerPidfd } from "#ffi/libc/peer.ts";

export interface RunningInit {
  readonly id: number;
  readonly pid: Pid;
  /** The container's root, as id of the host. */
  readonly rootUid: number;
}

export interface Found {
  readonly id: number;
  readonly isRoot: boolean;
}

/** Deeper nesting of containers in containers than the kernel allows. */
const DEPTH_MAX = 64;

/**
 * Who is at the other end of a connection. A pidfd of the peer proves that its number was its own
 * while it was looked at, where the kernel has one to give.
 */
export function findCaller(socket: Fd, inits: readonly RunningInit[]): Found | undefined {
  const { pid, uid } = peerCredentials(socket);
  if (pid <= 0) return undefined;
  using pidfd = peerPidfd(socket);
  const init = findInit(brandPid(pid), inits);
  if (init === undefined || (pidfd !== undefined && !isAlive(pidfd.fd))) return undefined;
  return { id: init.id, isRoot: uid === init.rootUid };
}

function findInit(pid: Pid, inits: readonly RunningInit[]): RunningInit | undefined {
  const byNamespace = new Map(inits.map((init) => [namespaceOf(init.pid) ?? "", init]));
  byNamespace.delete("");
  let process: Pid = pid;
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    const found = byNamespace.get(namespaceOf(process) ?? "");
    if (found !== undefined) return found;
    const parent = parentOf(process);
    if (parent === undefined || parent <= 1) return undefined;
    process = parent;
  }
  return undefined;
}

function namespaceOf(pid: Pid): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined; // Ignored: the process has ended.
  }
}
