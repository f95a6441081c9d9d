/**
 * Whatever a client sends: a configuration is refused with 400, or everything that is made of it at a
 * start is well formed. Nothing in between, and never an error of another kind.
 */
import { INSTANCE_KEY_PREFIXES, INSTANCE_KEYS } from "#api/config/instance_keys.ts";
import { checkInstanceConfig } from "#api/config/instance_config.ts";
import { hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LIMIT_GROUPS, planLimits } from "#daemon/cgroup/limits.ts";
import { diskRates } from "#daemon/cgroup/disk_rates.ts";
import { checkDeviceKeys } from "#daemon/devices/check_keys.ts";
import { DISK_KEYS } from "#api/config/device_disk.ts";
import { GPU_KEYS, USB_KEYS } from "#api/config/device_hotplug.ts";
import { UNIX_KEYS } from "#api/config/device_unix.ts";
import { chooseIdmap } from "#daemon/idmap/choose.ts";
import { appArmorProfile } from "#daemon/security/apparmor.ts";
import { interceptionPolicy, seccompPolicy } from "#daemon/security/seccomp.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { HostFacts } from "./facts.ts";
import { checkHostRules } from "./host_rules.ts";
import { lxcConfig } from "./plan.ts";

const RUNS = { numRuns: 2000 };

/** Values that some key takes, and some that none should. */
const VALUES = [
  ...["true", "false", "1", "0", "yes", "-1", "7", "10", "11", "99999999999999999999", ""],
  ...["50%", "101%", "10ms/100ms", "0ms/1ms", "512MiB", "1GB", "12parsecs", "0-1", "3-1", "1,,2"],
  ...["hard", "soft", "unlimited", "1024:4096", "@daily", "*/5 * * * *", "61 * * * *", "2w 3d"],
  ...["both 1000 1000", "uid 1-5 1-5", "uid 5-1 1-5", "gid 1000001 3", "both 0 0\nboth 0 0"],
  ...["lxc.tty.max = 1", "lxc.net.0.type = none", "x", "mknod\n[all]\nread", "deny /x w,"],
  ...["a\nlxc.init.cmd = /x", "a\0b", "ü☃", "overlay,nf_nat", "a b;c", "ext4,xfs", "  "],
];
const ENDINGS = ["x", "nofile", "net.ipv4.ip_forward", "a\nb", "", "LANG"];

const keys = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...Object.keys(INSTANCE_KEYS)) },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constantFrom(...Object.keys(INSTANCE_KEY_PREFIXES)),
      fc.constantFrom(...ENDINGS),
    ).map(([prefix, ending]) => prefix + ending),
  },
  { weight: 1, arbitrary: fc.string() },
);
const values = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);
const configs = fc.dictionary(keys, values, { maxKeys: 6, noNullPrototype: true });

const v1 = {
  v1: { memory: "/m", cpu: "/c", cpuset: "/s", pids: "/p", devices: "/d", hugetlb: "/h" },
  v2: undefined,
  v2Controllers: [],
};
const v2 = { v1: {}, v2: "/u", v2Controllers: ["memory", "cpu", "cpuset", "io", "pids"] };
const factsOf = (layout: typeof v1 | typeof v2): HostFacts => ({
  layout,
  limits: {
    layout,
    memoryBytes: 2 ** 33,
    hasMemsw: true,
    blockWeight: { version: 1, file: "blkio.weight" },
  },
  idRange: { uid: { base: 1000000, size: 200000 }, gid: { base: 1000000, size: 200000 } },
  cpus: [0, 1],
  hasAppArmor: true,
  hasCgroupNamespaces: true,
  isInUserNamespace: false,
  existing: new Set(),
  isUnprivilegedOnly: false,
  lxcfs: [],
});

/** undefined if it is refused as it should be. @throws whatever else happens. */
function accepted<T>(run: () => T): { readonly value: T } | undefined {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof Fault && error.kind === "bad_request") {
      assert.notEqual(error.message, "");
      return undefined;
    }
    throw error;
  }
}

function assertStartable(config: Record<string, string>, facts: HostFacts): void {
  const chosen = accepted(() => chooseIdmap(config, facts.idRange, []));
  if (chosen === undefined) return; // No ids are left: the start says so.
  const { "raw.lxc": _raw, ...rest } = config;
  const text = lxcConfig({
    name: "c1",
    architecture: 2,
    config: rest,
    facts,
    idmap: chosen.value.idmap,
    root: { path: hostPath("/r"), lxcIdmap: true },
    logs: hostPath("/l"),
    appArmorProfile: "p",
    interception: undefined,
    seccompProfile: undefined,
    devlxd: undefined,
    stopHook: ["/h"],
    cpuset: undefined,
    devices: [],
  });
  for (const line of text.trimEnd().split("\n")) {
    assert.match(line, /^lxc\.[^\s=]+ = [^\0\r\n]*$/u, JSON.stringify(line));
    assert.doesNotMatch(line, /^lxc\.(init|hook\.(?!version|post-stop))/);
  }
  for (const group of LIMIT_GROUPS) {
    for (const write of planLimits(group, config, facts.limits, true)) {
      assert.match(write.value, /^(default )?(-?\d+|max|\d+ \d+|max \d+)$/, JSON.stringify(write));
    }
  }
  seccompPolicy(config);
  assert.match(interceptionPolicy(config), /^([^\0]+\n)*$/);
  appArmorProfile({ name: "x", config, isPrivileged: chosen.value.idmap === null });
}

Deno.test("a configuration of an instance is refused with 400, or a start can use it", () => {
  fc.assert(
    fc.property(configs, fc.constantFrom(v1, v2), (config, layout) => {
      const facts = factsOf(layout);
      const ok = accepted(() => {
        checkInstanceConfig(config, "container");
        checkHostRules(facts, config);
      });
      if (ok !== undefined) assertStartable(config, facts);
    }),
    RUNS,
  );
});

Deno.test("options of a device are refused with 400, or can be used", () => {
  const tables = [DISK_KEYS, UNIX_KEYS, USB_KEYS, GPU_KEYS] as const;
  const options = fc.constantFrom(...tables).chain((table) =>
    fc.tuple(
      fc.constant(table),
      fc.dictionary(
        fc.oneof(fc.constantFrom(...Object.keys(table)), fc.string()),
        fc.oneof(values, fc.constantFrom("/mnt", "10iops", "1MB", "0660", "9999", "shared")),
        { maxKeys: 5, noNullPrototype: true },
      ),
    )
  );
  fc.assert(
    fc.property(options, ([table, config]) => {
      const ok = accepted(() => checkDeviceKeys("d", config, table));
      if (ok === undefined || table !== DISK_KEYS) return;
      for (const value of Object.values(diskRates(config) ?? {})) assert.ok(Number(value) >= 0);
    }),
    RUNS,
  );
});

Deno.test("keys of virtual machines are for profiles: a container has none of its own", () => {
  const config = { "raw.qemu": "-x", "migration.stateful": "true" };

  checkInstanceConfig(config, "profile");
  checkInstanceConfig(config, "expanded");
  assert.throws(
    () => checkInstanceConfig(config, "container"),
    /Unknown configuration key: raw.qemu/,
  );
});
