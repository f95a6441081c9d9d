/** Namespaces for id maps: many maps take few descriptors, and one in use is never closed. */
import { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import assert from "node:assert/strict";
import { buildHelper, openDescriptors, temporaryDirectory } from "./ffi_support.ts";

const mapAt = (hostId: number) => [{ isUid: true, isGid: true, nsId: 0, hostId, size: 1000 }];

const inode = (fd: number) => Deno.readLinkSync(`/proc/self/fd/${fd}`);

Deno.test("UserNamespaces keeps those used last, and closes others that nobody holds", async () => {
  using space = temporaryDirectory();
  const namespaces = new UserNamespaces(await buildHelper(space.path), 2);
  const before = openDescriptors();
  const held = await namespaces.lower(mapAt(1_000_000));
  const first = inode(held.fd);

  for (let index = 1; index <= 20; index++) {
    using _one = await namespaces.lower(mapAt(1_000_000 + index * 1000));
  }

  assert.equal(openDescriptors().length - before.length, 2);
  assert.equal(inode(held.fd), first, "it is held");
  using again = await namespaces.lower(mapAt(1_000_000));
  assert.equal(inode(again.fd), first, "and shared");
  held[Symbol.dispose]();
  await namespaces.close();
  assert.deepEqual(openDescriptors(), before);
});

Deno.test("UserNamespaces makes a namespace again that was closed, and forgets one that failed", async () => {
  using space = temporaryDirectory();
  const namespaces = new UserNamespaces(await buildHelper(space.path), 0);
  const before = openDescriptors();

  await assert.rejects(namespaces.lower(mapAt(-1)));
  for (let round = 0; round < 2; round++) {
    using one = await namespaces.upper(mapAt(1_000_000));
    assert.match(inode(one.fd), /^user:/);
  }

  assert.deepEqual(openDescriptors(), before);
});
