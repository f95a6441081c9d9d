/**
 * Where clients say that a process will be moved soon, before they have parsed what it is: the kernel's
 * wait (expect_move.ts) then runs while they start. A connection is the whole message.
 */
import { removeIfThere } from "#daemon/host/files.ts";
import { expectMove } from "./expect_move.ts";

/** Its name in the state directory; ffi/native/entry.c connects to it. */
export const MOVE_SOCKET = "move.socket";
/** A client that starts needs some 40 ms until its request is here. */
const WITHIN_MS = 70;

/**
 * Listen for it. A stale socket file is replaced.
 *
 * @param gid Group that may connect (mode 0660).
 * @param onMove Called for each of them: what else can be done before.
 */
export async function listenForMoves(
  path: string,
  gid: number,
  onMove = () => {},
): Promise<Disposable> {
  await removeIfThere(path);
  const listener = Deno.listen({ transport: "unix", path });
  await Deno.chown(path, 0, gid);
  await Deno.chmod(path, 0o660);
  hear(listener, onMove)
    .catch(() => {}); // Ignored: who can't be heard (too many open files) waits for the kernel.
  return {
    [Symbol.dispose]() {
      listener.close();
      try {
        Deno.removeSync(path);
      } catch {
        // Ignored: gone already.
      }
    },
  };
}

async function hear(listener: Deno.UnixListener, onMove: () => void): Promise<void> {
  for await (const connection of listener) {
    connection.close();
    expectMove(WITHIN_MS);
    onMove();
  }
}
