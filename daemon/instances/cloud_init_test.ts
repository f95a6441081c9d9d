import assert from "node:assert/strict";
import { isNewForCloudInit } from "./cloud_init.ts";

const nic = (more: Record<string, string>) => ({ eth0: { type: "nic", ...more } });
const facts = (config: Record<string, string>, devices = nic({ name: "eth0" })) => ({
  expandedConfig: config,
  expandedDevices: devices,
});

Deno.test("isNewForCloudInit() when its data change", () => {
  assert.ok(isNewForCloudInit(facts({}), facts({ "cloud-init.user-data": "x" })));
  assert.ok(isNewForCloudInit(facts({ "user.user-data": "x" }), facts({})));
});

Deno.test("isNewForCloudInit() when an interface gets another name, or comes", () => {
  assert.ok(isNewForCloudInit(facts({}), facts({}, nic({ name: "foo" }))));
  assert.ok(isNewForCloudInit({ ...facts({}), expandedDevices: {} }, facts({})));
});

Deno.test("isNewForCloudInit() is false for what it does not read", () => {
  assert.ok(!isNewForCloudInit(facts({}), facts({ "user.meta-data": "x", "limits.cpu": "1" })));
  assert.ok(!isNewForCloudInit(facts({}), facts({}, nic({ name: "eth0", "user.foo": "x" }))));
});
