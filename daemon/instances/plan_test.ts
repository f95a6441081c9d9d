import { hostPath } from "#base/brand.ts";
import assert from "node:assert/strict";
import type { HostFacts } from "./facts.ts";
import { lxcConfig, type StartInput } from "./plan.ts";

const layout = {
  v1: { memory: "/sys/fs/cgroup/memory", devices: "/sys/fs/cgroup/devices", cpuset: "/cs" },
  v2: "/sys/fs/cgroup/unified",
  v2Controllers: [],
};
const facts: HostFacts = {
  layout,
  limits: { layout, memoryBytes: 2 ** 33, hasMemsw: true, blockWeight: undefined },
  idRange: { uid: { base: 1000000, size: 65536 }, gid: { base: 1000000, size: 65536 } },
  cpus: [0, 1],
  hasAppArmor: false,
  hasCgroupNamespaces: true,
  isInUserNamespace: false,
  existing: new Set(["/dev/fuse", "/proc/sys/fs/binfmt_misc", "/sys/kernel/debug"]),
  isUnprivilegedOnly: false,
  lxcfs: [],
};
const input: StartInput = {
  name: "web",
  architecture: 2,
  config: {
    "environment.LANG": "C.UTF-8",
    "limits.memory": "512MiB",
    "raw.lxc": "lxc.hook.mount=/x",
  },
  facts,
  idmap: [
    { isUid: true, isGid: false, nsId: 0, hostId: 1000000, size: 65536 },
    { isUid: false, isGid: true, nsId: 0, hostId: 1000000, size: 65536 },
  ],
  root: { path: hostPath("/lxd/containers/web/rootfs"), lxcIdmap: false },
  logs: hostPath("/lxd/logs/web"),
  appArmorProfile: undefined,
  interception: undefined,
  seccompProfile: hostPath("/lxd/security/seccomp/web"),
  devlxd: undefined,
  stopHook: ["/lxd/helper", "hook", "/lxd/unix.socket", "/internal/containers/1/onstop"],
  cpuset: "0-1",
  devices: [
    { lxc: [["lxc.net.{n}.type", "veth"], ["lxc.net.{n}.name", "eth0"]] },
    { lxc: [["lxc.net.{n}.type", "phys"]], cgroupAllow: ["c 10:100 rwm"] },
  ],
};

Deno.test("lxcConfig() confines an unprivileged container", async () => {
  const golden = new URL("./testdata/unprivileged.conf", import.meta.url);

  assert.equal(lxcConfig(input), await Deno.readTextFile(golden));
});

Deno.test("lxcConfig() hides what root of the host could use from a privileged container", () => {
  const text = lxcConfig({ ...input, idmap: null });

  assert.match(text, /lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed\n/);
  assert.match(text, /sys_rawio mac_admin/);
  assert.match(text, /\/dev\/null proc\/sysrq-trigger/);
  assert.doesNotMatch(text, /lxc.idmap|sys\/kernel\/debug/);
});

Deno.test("lxcConfig() mounts cgroups and fresh proc and sys for nesting", () => {
  const text = lxcConfig({ ...input, config: { "security.nesting": "true" } });

  assert.match(text, /cgroup:mixed:force\n/);
  assert.match(text, /= proc dev\/.lxc\/proc proc create=dir,optional 0 0\n/);
});

Deno.test("lxcConfig() keeps a value on its line", () => {
  const text = lxcConfig({ ...input, config: { "environment.X": "a\nlxc.cap.drop =" } });

  assert.match(text, /lxc.environment = X=a lxc.cap.drop =\n/);
});
