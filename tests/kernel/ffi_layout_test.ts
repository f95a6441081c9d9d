/** Layouts and numbers of ffi/ against this machine's C headers. */
import assert from "node:assert/strict";
import { hostPath } from "#base/brand.ts";
import { O } from "#ffi/libc/fd.ts";
import { MOUNT_ATTR } from "#ffi/libc/mount.ts";
import { SYS } from "#ffi/libc/raw.ts";
import { OFFSET } from "#ffi/liblxc/raw.ts";
import { compile, temporaryDirectory } from "./ffi_support.ts";

const HEADERS = `
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <termios.h>
`;

/** Values of C expressions. */
async function valuesOf(
  expressions: readonly string[],
  headers = HEADERS,
): Promise<Record<string, number>> {
  using directory = temporaryDirectory();
  const source = `${directory.path}/values.c`;
  const program = hostPath(`${directory.path}/values`);
  const prints = expressions.map((text) => `printf("%lld\\n", (long long)(${text}));`);
  Deno.writeTextFileSync(source, `${headers}\nint main(void) {\n${prints.join("\n")}\n}\n`);
  await compile([source], program);
  const { stdout } = await new Deno.Command(program).output();
  const numbers = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
  return Object.fromEntries(expressions.map((text, index) => [text, numbers[index] ?? NaN]));
}

Deno.test("OFFSET has the members' places in struct lxc_container", async () => {
  const names = Object.keys(OFFSET);

  const values = await valuesOf(names.map((name) => `offsetof(struct lxc_container, ${name})`));

  assert.deepEqual(Object.values(values), Object.values(OFFSET));
});

Deno.test("struct lxc_console_log has the places that consoleLog() uses", async () => {
  const values = await valuesOf([
    "offsetof(struct lxc_console_log, clear)",
    "offsetof(struct lxc_console_log, read)",
    "offsetof(struct lxc_console_log, read_max)",
    "offsetof(struct lxc_console_log, data)",
    "sizeof(struct lxc_console_log)",
  ]);

  assert.deepEqual(Object.values(values), [0, 1, 8, 16, 24]);
});

Deno.test("SYS has this architecture's system call numbers", async () => {
  const names = Object.keys(SYS);

  const values = await valuesOf(names.map((name) => `SYS_${name}`));

  assert.deepEqual(Object.values(values), Object.values(SYS).map(Number));
});

Deno.test("SYS has the numbers of aarch64, which uses the generic table", async () => {
  const names = Object.keys(SYS);
  const generic = "#include <stdio.h>\n#include <asm-generic/unistd.h>";

  const values = await valuesOf(names.map((name) => `__NR_${name}`), generic);

  assert.deepEqual(Object.values(values), Object.values(SYS).map(Number));
});

Deno.test("O has the open flags of <fcntl.h>", async () => {
  const names = Object.keys(O);

  const values = await valuesOf(names.map((name) => `O_${name}`));

  assert.deepEqual(Object.values(values), Object.values(O));
});

Deno.test("MOUNT_ATTR has the bits of the mount header", async () => {
  const names = Object.keys(MOUNT_ATTR).map((name) => `MOUNT_ATTR_${name}`);

  const values = await valuesOf(names);

  assert.deepEqual(Object.values(values), Object.values(MOUNT_ATTR).map(Number));
});

Deno.test("sizes that the wrappers allocate are those of C", async () => {
  const values = await valuesOf([
    "sizeof(posix_spawn_file_actions_t)",
    "sizeof(posix_spawnattr_t)",
    "sizeof(sigset_t)",
    "sizeof(struct mount_attr)",
    "sizeof(struct open_how)",
    "sizeof(struct ucred)",
    "sizeof(struct winsize)",
    "sizeof(struct pollfd)",
    "sizeof(struct statfs)",
    "offsetof(struct statfs, f_flags)",
  ]);

  assert.deepEqual(Object.values(values), [80, 336, 128, 32, 24, 12, 8, 8, 120, 80]);
});

Deno.test("flags and requests that the wrappers use are those of C", async () => {
  const values = await valuesOf([
    "POSIX_SPAWN_SETSIGDEF",
    "POSIX_SPAWN_SETSIGMASK",
    "TIOCSPTLCK",
    "TIOCGPTPEER",
    "TIOCSWINSZ",
    "SO_PEERCRED",
    "AT_EMPTY_PATH",
    "AT_RECURSIVE",
    "AT_SYMLINK_NOFOLLOW",
    "RESOLVE_IN_ROOT",
    "RESOLVE_NO_MAGICLINKS",
    "FSCONFIG_SET_FD",
    "FSCONFIG_CMD_CREATE",
    "MOVE_MOUNT_F_EMPTY_PATH",
  ]);

  const at = [0x1000, 0x8000, 0x100];
  const requests = [0x40045431, 0x5441, 0x5414, 17];
  assert.deepEqual(Object.values(values), [4, 8, ...requests, ...at, 16, 2, 5, 6, 4]);
});
