import assert from "node:assert/strict";
import { dispositionOf, fileHeaders, parseHeaders } from "./headers.ts";

Deno.test("parseHeaders() without any means a new file, overwritten, of nobody in particular", () => {
  assert.deepEqual(parseHeaders({}), {
    type: "file",
    append: false,
    uid: undefined,
    gid: undefined,
    mode: undefined,
  });
});

Deno.test("parseHeaders() reads modes as Go and C do", () => {
  const mode = (text: string) => parseHeaders({ "x-lxd-mode": text }).mode;

  assert.deepEqual(["0644", "0o644", "420", "04755", "4755", "1777", "0", "-1"].map(mode), [
    0o644,
    0o644,
    0o644,
    0o4755,
    0o4755,
    0o1777,
    0,
    undefined,
  ]);
  for (const bad of ["9999", "08", "rwx", "0x1ff", "1e3", "010000", " "]) {
    assert.throws(() => mode(bad), { kind: "bad_request" }, bad);
  }
});

Deno.test("parseHeaders() takes ids that exist, and -1 for none", () => {
  const uid = (text: string) => parseHeaders({ "x-lxd-uid": text }).uid;

  assert.deepEqual(["0", "65534", "4294967294", "-1"].map(uid), [0, 65534, 4294967294, undefined]);
  for (const bad of ["4294967295", "root", "1.5", "-2", "0x10"]) {
    assert.throws(() => uid(bad), { kind: "bad_request" }, bad);
  }
});

Deno.test("fileHeaders() shows what a file is in LXD's forms", () => {
  const stat = { size: 1, uid: 7, gid: 8, mode: 0o104755, modifiedSeconds: 1_700_000_000 };

  assert.deepEqual(fileHeaders(stat), {
    "X-LXD-uid": "7",
    "X-LXD-gid": "8",
    "X-LXD-mode": "4755",
    "X-LXD-modified": "2023-11-14 22:13:20 +0000 UTC",
    "X-LXD-type": "file",
  });
  assert.equal(fileHeaders({ ...stat, mode: 0o040700 })["X-LXD-type"], "directory");
  assert.equal(fileHeaders({ ...stat, mode: 0o120777 })["X-LXD-type"], "symlink");
});

Deno.test("dispositionOf() puts nothing into a header that ends it", () => {
  assert.equal(dispositionOf("/etc/hosts"), "inline;filename=hosts");
  assert.equal(dispositionOf("/a b\r\nX: y"), "inline;filename=a%20b%0D%0AX%3A%20y");
  assert.equal(dispositionOf("/"), "inline;filename=");
});
