import assert from "node:assert/strict";
import { releaseMessages } from "./release.ts";

const LEASES = [
  "99 00:16:3e:01:02:03 192.0.2.9 c1 01:00:16:3e:01:02:03",
  "99 00:16:3e:01:02:04 192.0.2.10 c2 *",
  "duid 00:01:00:01",
  "99 513 fd42::9 c1 00:02:00",
  "99 514 fd42::10 c2 00:03:00",
].join("\n");
const SERVER = { v4: "192.0.2.1", v6: "fd42::1" };
const OWNER = { hwaddr: "00:16:3E:01:02:03", name: "c1" };

Deno.test("releaseMessages() gives back the leases of one nic, of both families", () => {
  const [four, six, ...more] = releaseMessages(LEASES, SERVER, OWNER);

  assert.deepEqual(more, []);
  assert.deepEqual([four?.port, six?.port], [67, 547]);
  const message = [...four?.message ?? []];
  assert.deepEqual(message.slice(12, 16), [192, 0, 2, 9]);
  assert.deepEqual(message.slice(28, 34), [0, 0x16, 0x3e, 1, 2, 3]);
  assert.deepEqual(message.slice(240, 243), [53, 1, 7]);
  assert.deepEqual(message.slice(249, 251), [61, 7]);
  const other = [...six?.message ?? []];
  assert.equal(other[0], 8);
  assert.deepEqual(other.slice(4, 11), [0, 1, 0, 3, 0, 2, 0]);
});

Deno.test("releaseMessages() says nothing to a family that the network does not have", () => {
  const found = releaseMessages(LEASES, { v4: undefined, v6: undefined }, OWNER);

  assert.deepEqual(found, []);
});
