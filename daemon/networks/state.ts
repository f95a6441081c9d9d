/** State of one interface of the host. */
import { Fault } from "#base/errors.ts";
import { ipJson, type IpLink, portsOf } from "#daemon/host/links.ts";

/** @throws {Fault} not_found if it went meanwhile; or what ip(8) says of one that is not there */
export async function readInterface(name: string) {
  const [link] = await ipJson<IpLink>(
    "-details",
    "-statistics",
    "address",
    "show",
    "dev",
    name,
  );
  if (link === undefined) throw new Fault("not_found", `no interface "${name}"`);
  const kind = kindOf(link);
  const isLoopback = kind === "loopback";
  return {
    kind,
    addresses: (link.addr_info ?? []).map((one) => ({
      family: one.family,
      address: one.local,
      netmask: String(one.prefixlen),
      scope: one.scope === "host" ? "local" : one.scope,
    })),
    counters: {
      bytes_received: link.stats64?.rx["bytes"] ?? 0,
      bytes_sent: link.stats64?.tx["bytes"] ?? 0,
      packets_received: link.stats64?.rx["packets"] ?? 0,
      packets_sent: link.stats64?.tx["packets"] ?? 0,
    },
    hwaddr: isLoopback ? "" : link.address ?? "",
    mtu: link.mtu,
    state: link.flags.includes("UP") ? "up" : "down",
    type: isLoopback ? "loopback" : "broadcast",
    bond: kind === "bond" ? bondState(name, link) : null,
    bridge: kind === "bridge" ? await bridgeState(name, link) : null,
    vlan: kind === "vlan"
      ? { lower_device: link.link ?? "", vid: Number(link.linkinfo?.info_data?.["id"] ?? 0) }
      : null,
    ovn: null,
  };
}

/** What each interface of the host is, by its name: one question for all of them. */
export async function interfaceKinds(): Promise<Map<string, string>> {
  const links = await ipJson<IpLink>("-details", "link", "show");
  return new Map(links.map((link) => [link.ifname, kindOf(link)]));
}

/** Pure. */
function kindOf({ flags, linkinfo }: IpLink): string {
  if (flags.includes("LOOPBACK")) return "loopback";
  const kind = linkinfo?.info_kind;
  if (kind === undefined) return "physical";
  return kind === "bridge" || kind === "bond" || kind === "vlan" ? kind : "unknown";
}

async function bridgeState(name: string, link: IpLink) {
  const data = link.linkinfo?.info_data ?? {};
  const ports = await portsOf(name);
  return {
    // ip(8) writes 00 as 0.
    id: sysfs(`${name}/bridge/bridge_id`),
    stp: Number(data["stp_state"] ?? 0) !== 0,
    forward_delay: Number(data["forward_delay"] ?? 0),
    vlan_default: Number(data["vlan_default_pvid"] ?? 0),
    vlan_filtering: Number(data["vlan_filtering"] ?? 0) !== 0,
    upper_devices: ports.toSorted(),
  };
}

function bondState(name: string, link: IpLink) {
  const data = link.linkinfo?.info_data ?? {};
  return {
    mode: String(data["mode"] ?? ""),
    transmit_policy: String(data["xmit_hash_policy"] ?? ""),
    up_delay: Number(data["updelay"] ?? 0),
    down_delay: Number(data["downdelay"] ?? 0),
    mii_frequency: Number(data["miimon"] ?? 0),
    mii_state: sysfs(`${name}/bonding/mii_status`),
    lower_devices: sysfs(`${name}/bonding/slaves`).split(" ").filter((one) => one !== "")
      .toSorted(),
  };
}

function sysfs(path: string): string {
  try {
    return Deno.readTextFileSync(`/sys/class/net/${path}`).trim();
  } catch {
    return ""; // Ignored: another kernel, or the interface is gone.
  }
}
