/** Facts of this host that do not change while the daemon runs. */
import { liblxc, lxcVersion } from "#ffi/liblxc/open.ts";
import { cstring } from "#ffi/libc/open.ts";

export interface HostFacts {
  readonly hostname: string;
  readonly kernelVersion: string;
  readonly architecture: string;
  readonly osName: string;
  readonly osVersion: string;
  readonly lxcVersion: string;
  readonly lxcFeatures: Readonly<Record<string, string>>;
}

const LXC_FEATURES = [
  "cgroup2",
  "core_scheduling",
  "devpts_fd",
  "idmapped_mounts_v2",
  "mount_injection_file",
  "network_gateway_device_route",
  "network_ipvlan",
  "network_l2proxy",
  "network_phys_macvlan_mtu",
  "network_veth_router",
  "pidfd",
  "seccomp_allow_deny_syntax",
  "seccomp_notify",
  "seccomp_proxy_send_notify_fd",
];

/** Cost: opens liblxc. @throws {Fault} if liblxc is not there or its layout is unknown. */
export function readFacts(): HostFacts {
  const os = parseOsRelease();
  return {
    hostname: Deno.hostname(),
    kernelVersion: Deno.osRelease(),
    architecture: Deno.build.arch,
    osName: os["NAME"] ?? "Linux",
    osVersion: os["VERSION_ID"] ?? "",
    lxcVersion: lxcVersion(),
    lxcFeatures: Object.fromEntries(
      LXC_FEATURES.map((name) => [name, String(liblxc().lxc_has_api_extension(cstring(name)))]),
    ),
  };
}

function parseOsRelease(): Record<string, string> {
  try {
    const lines = Deno.readTextFileSync("/etc/os-release").split("\n");
    return Object.fromEntries(
      lines.map((line) => line.split("=", 2)).map(([key = "", value = ""]) => [
        key,
        value.replace(/^"|"$/g, ""),
      ]),
    );
  } catch {
    return {}; // Ignored: a host without the file has no name to show.
  }
}
