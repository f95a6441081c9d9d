/** How much a pipe holds. */
import type { Fd } from "#base/brand.ts";
import { libc } from "./open.ts";

const F_SETPIPE_SZ = 1031;
const LARGE_BYTES = 1n << 20n;

/** Make it as large as an unprivileged user may: fewer, larger pieces. Users over their share keep 64 KiB. */
export function growPipe(fd: Fd): void {
  libc().fcntl(fd, F_SETPIPE_SZ, LARGE_BYTES);
}
