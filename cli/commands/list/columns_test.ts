import assert from "node:assert/strict";
import { parseColumns } from "./columns.ts";
import type { Instance } from "./instance.ts";

const address = (family: string, text: string, scope = "global") => ({
  family,
  address: text,
  netmask: "24",
  scope,
});
const network = (...addresses: ReturnType<typeof address>[]) => ({
  addresses,
  counters: {},
  hwaddr: "",
  host_name: "",
  mtu: 1500,
  state: "up",
  type: "broadcast",
});

const WEB: Instance = {
  name: "web",
  project: "default",
  location: "none",
  type: "container",
  status: "Running",
  architecture: "x86_64",
  description: "a shop",
  ephemeral: true,
  created_at: "2026-11-24T15:04:41.796690273Z",
  last_used_at: "1970-01-01T00:00:00Z",
  profiles: ["default", "extra"],
  config: {},
  expanded_config: {
    "limits.memory": "1GiB",
    "image.os": "busybox",
    "volatile.base_image": "f86b0e02527e90cb0aa4d3e7d3ac0ad5",
  },
  expanded_devices: {
    eth0: { type: "nic", parent: "br0" },
    root: { type: "disk", path: "/", pool: "fast" },
  },
  snapshots: [],
  state: {
    disk: { root: { usage: 123_456_789 } },
    memory: { usage: 12_345_678, usage_peak: 0, swap_usage: 0, swap_usage_peak: 0 },
    network: {
      lo: network(address("inet", "127.0.0.1", "local")),
      eth0: network(
        address("inet", "10.0.0.4"),
        address("inet", "10.0.0.5"),
        address("inet6", "fe80::5", "link"),
        address("inet6", "fd42::5"),
      ),
    },
    pid: 4711,
    processes: 12,
    cpu: { usage: 12_345_678_900 },
  },
};
const STOPPED: Instance = { ...WEB, status: "Stopped", ephemeral: false };

const cells = (columns: string, instance = WEB) =>
  parseColumns(columns, { clustered: false }).map(({ cell }) => cell(instance));
const titles = (columns: string) =>
  parseColumns(columns, { clustered: false }).map(({ title }) => title);

Deno.test("parseColumns() prints what the letters stand for", () => {
  assert.deepEqual(cells("ns46tS"), [
    "web",
    "RUNNING",
    "10.0.0.5 (eth0)\n10.0.0.4 (eth0)",
    "fd42::5 (eth0)",
    "CONTAINER (EPHEMERAL)",
    "0",
  ]);
  assert.deepEqual(cells("abdDefPp"), [
    "x86_64",
    "fast",
    "a shop",
    "117.74MiB",
    "default",
    "f86b0e02527e",
    "default\nextra",
    "4711",
  ]);
  assert.deepEqual(cells("mMNul"), ["11.77MiB", "1.1%", "12", "12s", ""]);
});

Deno.test("parseColumns() has no live figures when the instance is stopped", () => {
  assert.deepEqual(cells("46mMNpu", STOPPED), ["", "", "", "", "", "", ""]);
  assert.deepEqual(cells("D", STOPPED), ["117.74MiB"]);
});

Deno.test("parseColumns() takes keys of the configuration and of devices", () => {
  const columns = "n,image.os:OS:3,devices:eth0.parent,config:limits.memory::0,user.none";
  assert.deepEqual(titles(columns), [
    "NAME",
    "OS",
    "ETH0 PARENT",
    "LIMITS MEMORY",
    "USER NONE",
  ]);
  assert.deepEqual(cells(columns), ["web", "bus", "br0", "1GiB", ""]);
});

Deno.test("parseColumns() asks for states only if a column needs them", () => {
  const needs = (text: string) =>
    parseColumns(text, { clustered: false }).some(({ full }) => full === true);
  assert.equal(needs("nsacPt"), false);
  assert.equal(needs("nS"), true);
});

for (
  const [columns, message] of [
    ["", "Empty column entry (redundant, leading or trailing command) in ''"],
    ["n,,s", "Empty column entry (redundant, leading or trailing command) in 'n,,s'"],
    ["nx", "Unknown column shorthand char 'x' in 'nx'"],
    ["L", "Can't specify column L when not clustered"],
    ["a.b", "Invalid config key 'a.b' in 'a.b'"],
    ["user.a:b:c:d", "Invalid config key column format (too many fields): 'user.a:b:c:d'"],
    ["user.a::x", "Invalid max width (must be an integer) 'x' in 'user.a::x'"],
    ["user.a::-2", "Invalid max width (must -1, 0 or a positive integer) '-2' in 'user.a::-2'"],
  ] as const
) {
  Deno.test(`parseColumns() refuses ${JSON.stringify(columns)}`, () => {
    assert.throws(() => parseColumns(columns, { clustered: false }), { message });
  });
}
