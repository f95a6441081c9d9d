import assert from "node:assert/strict";
import { deniesCompat, interceptedCalls, interceptionPolicy, seccompPolicy } from "./seccomp.ts";

Deno.test("seccompPolicy() denies what reaches the host by default", () => {
  assert.equal(
    seccompPolicy({}),
    [
      "2",
      "denylist",
      "reject_force_umount  # umount -f would reach the host",
      "[all]",
      "kexec_load errno 38",
      "open_by_handle_at errno 38",
      "init_module errno 38",
      "finit_module errno 38",
      "delete_module errno 38",
      "",
    ].join("\n"),
  );
});

Deno.test("seccompPolicy() adds the user's own list", () => {
  const text = seccompPolicy({ "security.syscalls.deny": "mkdir\nchmod errno 1" }) ?? "";

  assert.match(text, /delete_module errno 38\n\[all\]\nmkdir\nchmod errno 1\n$/);
});

Deno.test("seccompPolicy() allows nothing but an allow list", () => {
  assert.equal(
    seccompPolicy({ "security.syscalls.allow": "read\nwrite\n" }),
    "2\nallowlist\n[all]\nread\nwrite\n",
  );
});

Deno.test("seccompPolicy() is raw.seccomp where that is set, and nothing where all is off", () => {
  assert.equal(seccompPolicy({ "raw.seccomp": "2\ndenylist" }), "2\ndenylist\n");
  assert.equal(seccompPolicy({ "security.syscalls.deny_default": "false" }), undefined);
});

Deno.test("deniesCompat() knows the old name of the key too", () => {
  assert.equal(deniesCompat({}), false);
  assert.equal(deniesCompat({ "security.syscalls.deny_compat": "true" }), true);
  assert.equal(deniesCompat({ "security.syscalls.blacklist_compat": "true" }), true);
});

Deno.test("interceptedCalls() are what is switched on, and none of a privileged container", () => {
  const config = {
    "security.syscalls.intercept.mknod": "true",
    "security.syscalls.intercept.mount": "true",
    "security.syscalls.intercept.mount.allowed": "ext4, xfs",
    "security.syscalls.intercept.mount.shift": "true",
  };

  assert.deepEqual(interceptedCalls(config), ["mknod", "mknodat", "mount"]);
  assert.equal(interceptionPolicy(config), "mknod\nmount:ext4\nmount:xfs\nshift\n");
  assert.match(seccompPolicy(config) ?? "", /^\[all\]\nmknod notify\nmknodat notify$/m);
  assert.deepEqual(interceptedCalls({ ...config, "security.privileged": "true" }), []);
  assert.equal(interceptionPolicy({}), "");
});
