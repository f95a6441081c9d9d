import assert from "node:assert/strict";
import { isShort, parseFilters } from "./filters.ts";
import type { Instance } from "./instance.ts";

const instance = (name: string, more: Partial<Instance> = {}): Instance => ({
  name,
  project: "default",
  location: "none",
  type: "container",
  status: "Running",
  architecture: "x86_64",
  description: "",
  ephemeral: false,
  created_at: "",
  last_used_at: "",
  profiles: [],
  config: {},
  expanded_config: {},
  expanded_devices: {},
  ...more,
});

const address = (family: string, text: string) => ({
  family,
  address: text,
  netmask: "24",
  scope: "global",
});

const ALL = [
  instance("web1", {
    expanded_config: { "user.role": "front", "volatile.eth0.hwaddr": "00:16:3e:aa:bb:cc" },
  }),
  instance("web2", { status: "Stopped" }),
  instance("db", {
    expanded_config: { "user.role": "back" },
    state: {
      disk: {},
      memory: { usage: 0, usage_peak: 0, swap_usage: 0, swap_usage_peak: 0 },
      network: {
        eth0: {
          addresses: [address("inet", "10.0.0.4"), address("inet6", "fd42::4")],
          counters: {},
          hwaddr: "",
          host_name: "",
          mtu: 1500,
          state: "up",
          type: "broadcast",
        },
      },
      pid: 1,
      processes: 1,
      cpu: { usage: 0 },
    },
  }),
];

const found = (...filters: string[]) =>
  ALL.filter(parseFilters(filters).matches).map(({ name }) => name);

for (
  const [filters, names] of [
    [[], ["web1", "web2", "db"]],
    [["web"], ["web1", "web2"]],
    [[".*b"], ["db"]],
    [["web1|db"], ["web1", "db"]],
    [["["], []],
    [["web", "status=running"], ["web1"]],
    [["status=RUNNING,stopped"], ["web1", "web2", "db"]],
    [["name=web"], []],
    [["name=web2"], ["web2"]],
    [["user.role=front"], ["web1"]],
    [["u.r=(front|back)"], ["web1", "db"]],
    [["user.role="], ["web2"]],
    [["volatile.eth0.hwaddr=00:16:3e:.*"], ["web1"]],
    [["ipv4=10.0.0.4"], ["db"]],
    [["ipv4=10.0.0.0/8"], ["db"]],
    [["ipv4=10.1.0.0/16"], []],
    [["ipv6=fd42::/64"], ["db"]],
    [["ipv4=fd42::/64"], []],
  ] as const
) {
  Deno.test(`parseFilters() finds ${names.join(" ") || "none"} by ${filters.join(" ")}`, () => {
    assert.deepEqual(found(...filters), names);
  });
}

Deno.test("parseFilters() asks for states only to compare addresses", () => {
  assert.equal(parseFilters(["web", "type=container"]).full, false);
  assert.equal(parseFilters(["ipv4=10.0.0.4"]).full, true);
});

Deno.test("isShort() shortens each part of a key, not their number", () => {
  assert.equal(isShort("s.p", "security.privileged"), true);
  assert.equal(isShort("security.privileged", "security.privileged"), true);
  assert.equal(isShort("s", "security.privileged"), false);
  assert.equal(isShort("s.x", "security.privileged"), false);
});
