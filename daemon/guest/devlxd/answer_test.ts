import assert from "node:assert/strict";
import { answer, changesOf, type Guest } from "./answer.ts";

const GUEST: Guest = {
  id: 1,
  name: "c1",
  project: "default",
  config: { "user.a": "1", "cloud-init.user-data": "data", "security.nesting": "true" },
  devices: { eth0: { type: "nic" } },
  cloudInitId: "",
};
const ask = (path: string, guest = GUEST) => answer(guest, new URL(`http://lxd${path}`));

Deno.test("answer() shows user and cloud-init keys, of the others not even their names", () => {
  assert.deepEqual(ask("/1.0/config"), {
    kind: "json",
    value: ["/1.0/config/cloud-init.user-data", "/1.0/config/user.a"],
  });
  assert.deepEqual(ask("/1.0/config/user.a"), { kind: "text", text: "1" });
  for (
    const path of ["security.nesting", "security.nosuch", "__proto__", "", "user.a/../volatile.x"]
  ) {
    const said = ask(`/1.0/config/${path}`);
    assert.ok(said.kind === "refusal" || said.kind === "json", path);
    assert.ok(!JSON.stringify(said).includes("true"), path);
  }
  assert.deepEqual(ask("/1.0/config/user.constructor"), {
    kind: "refusal",
    status: 404,
    text: "not found",
  });
  assert.equal(ask("/1.0/config/%zz").kind, "refusal");
});

Deno.test("answer() gives an image only where the configuration allows it", () => {
  assert.deepEqual(ask("/1.0/images/abc/export"), {
    kind: "refusal",
    status: 403,
    text: "not authorized",
  });
  const config = { "security.devlxd.images": "true" };
  assert.deepEqual(ask("/1.0/images/abc/export", { ...GUEST, config }), {
    kind: "image",
    fingerprint: "abc",
  });
});

Deno.test("answer() knows the types of events", () => {
  assert.deepEqual(ask("/1.0/events"), { kind: "events", types: ["config", "device"] });
  assert.deepEqual(ask("/1.0/events?type=device,x"), { kind: "events", types: ["device"] });
});

Deno.test("changesOf() tells of visible keys and of devices", () => {
  const after: Guest = {
    ...GUEST,
    config: { "user.a": "2", "security.nesting": "false" },
    devices: { eth0: { type: "nic", name: "x" }, root: { type: "disk" } },
  };

  assert.deepEqual(changesOf(GUEST, after), [
    { type: "config", metadata: { key: "cloud-init.user-data", old_value: "data", value: "" } },
    { type: "config", metadata: { key: "user.a", old_value: "1", value: "2" } },
    {
      type: "device",
      metadata: { action: "updated", name: "eth0", config: { type: "nic", name: "x" } },
    },
    { type: "device", metadata: { action: "added", name: "root", config: { type: "disk" } } },
  ]);
  assert.deepEqual(changesOf(GUEST, GUEST), []);
});
