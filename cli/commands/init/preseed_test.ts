import assert from "node:assert/strict";
import { listenAddress, parsePreseed } from "./preseed.ts";

Deno.test("parsePreseed() reads every part, values as text", () => {
  const preseed = parsePreseed(`
config:
  images.auto_update_interval: 15
storage_pools:
- name: data
  driver: dir
  config:
    source:
networks:
- name: br0
  config: {ipv4.address: none}
profiles:
- name: default
  devices:
    root: {path: /, pool: data, type: disk}
cluster: null
`);

  assert.deepEqual(preseed, {
    config: { "images.auto_update_interval": "15" },
    networks: [{ name: "br0", config: { "ipv4.address": "none" } }],
    storage_pools: [{ name: "data", driver: "dir", config: { source: "" } }],
    profiles: [{ name: "default", devices: { root: { path: "/", pool: "data", type: "disk" } } }],
    projects: [],
  });
});

Deno.test("parsePreseed() asks for nothing when the text is empty", () => {
  const nothing = { config: {}, networks: [], storage_pools: [], profiles: [], projects: [] };

  assert.deepEqual(parsePreseed(""), nothing);
  assert.deepEqual(parsePreseed("# only words\n\n"), nothing);
});

for (
  const [text, message] of [
    ["bogus: 1", /field bogus not found/],
    ["- a", /the preseed must be a map/],
    ["networks: foo", /networks must be a list/],
    ["config: [a]", /config must be a map/],
    ["profiles: [{name: x, used_by: []}]", /profiles\[0\]\.used_by not found/],
    ["storage_pools: [{driver: dir}]", /storage_pools\[0\] has no name/],
    ["cluster: {enabled: true}", /does not support clustering/],
    ["foo: [", /unexpected end/],
  ] as const
) {
  Deno.test(`parsePreseed() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parsePreseed(text), message);
  });
}

Deno.test("listenAddress() puts IPv6 into brackets", () => {
  assert.equal(listenAddress("::", 8443), "[::]:8443");
  assert.equal(listenAddress("[::1]", 1), "[::1]:1");
  assert.equal(listenAddress("192.0.2.1", 8443), "192.0.2.1:8443");
});
