/** Renames that Deno has no call for. @see renameat2(2) */
import { AT_FDCWD } from "./fd.ts";
import { check, cstring, libc } from "./open.ts";

// From <linux/fs.h>.
const RENAME_EXCHANGE = 2;

/** Let two existing paths of one file system change places, in one step. */
export function exchange(one: string, other: string): void {
  const result = libc().renameat2(
    AT_FDCWD,
    cstring(one),
    AT_FDCWD,
    cstring(other),
    RENAME_EXCHANGE,
  );
  check(result, "renameat2", `"${one}" and "${other}"`);
}
