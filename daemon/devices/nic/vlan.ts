/** VLANs: interfaces above a parent, and membership of ports of bridges. */
import { parseVlans } from "#api/config/device_nic.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { linkExists, removeLink, writeSysctl } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import type { DeviceConfig } from "#daemon/devices/device.ts";
import { readIfThere } from "#daemon/host/files.ts";

/** The interface that a nic hangs on: its parent, or "<parent>.<vlan>" above it. Pure. */
export function vlanLink(parent: string, vlan: string | undefined): string {
  return vlan === undefined || vlan === "" || vlan === "none" || vlan === "0"
    ? parent
    : `${parent}.${vlan}`;
}

/** Make the VLAN interface of a parent, which has to be up for that. @returns false if it is there already. */
export async function createVlan(parent: string, config: DeviceConfig): Promise<boolean> {
  const link = vlanLink(parent, config["vlan"]);
  if (link === parent || await linkExists(link)) return false;
  const gvrp = isTrue(config["gvrp"]) ? ["gvrp", "on"] : [];
  try {
    await run(["ip", "link", "set", "dev", parent, "up"]);
    await run([
      ...["ip", "link", "add", "link", parent, "name", link, "up"],
      ...["type", "vlan", "id", config["vlan"] ?? "", ...gvrp],
    ]);
  } catch (error) {
    throw new Fault(
      "bad_request",
      `Failed to create VLAN interface "${link}": ${messageOf(error)}`,
      {
        cause: error,
        hint: "Does the kernel have VLAN interfaces (module 8021q)?",
      },
    );
  }
  // No router may configure it.
  await writeSysctl(`net/ipv6/conf/${link}/accept_ra`, "0");
  return true;
}

/** Nothing to do for a nic without VLAN; absent is no error. Who else uses it is for the caller to know. */
export async function removeVlan(parent: string, config: DeviceConfig): Promise<void> {
  const link = vlanLink(parent, config["vlan"]);
  if (link !== parent) await removeLink(link);
}

/** Whether it says of which VLANs of its bridge it is a member. */
export function hasBridgeVlan(config: DeviceConfig): boolean {
  return (config["vlan"] ?? "") !== "" || (config["vlan.tagged"] ?? "") !== "";
}

/** @throws {Fault} bad_request if the bridge does not look at VLANs. */
export async function requireVlanFiltering(bridge: string): Promise<void> {
  const path = `/sys/class/net/${bridge}/bridge/vlan_filtering`;
  const value = await readIfThere(path) ?? "";
  if (value.trim() === "1") return;
  throw new Fault("bad_request", `VLAN filtering is not enabled in parent bridge "${bridge}"`, {
    hint: value === ""
      ? "The kernel's bridges can't filter VLANs (CONFIG_BRIDGE_VLAN_FILTERING)."
      : `echo 1 >${path}`,
  });
}

/** Make a port of a native bridge a member of the VLANs of its options. */
export async function joinVlans(port: string, config: DeviceConfig): Promise<void> {
  const bridge = (...argv: string[]) => run(["bridge", "vlan", ...argv]);
  const untagged = config["vlan"] ?? "";
  const pvid = await portVlan(port);
  if (untagged !== "" && pvid !== undefined && String(pvid) !== untagged) {
    await bridge("del", "dev", port, "vid", String(pvid));
  }
  if (untagged !== "" && untagged !== "none") {
    await bridge("add", "dev", port, "vid", untagged, "pvid", "untagged", "master");
  }
  for (const id of parseVlans(config["vlan.tagged"] ?? "")) {
    await bridge("add", "dev", port, "vid", String(id), "master");
  }
}

/** The VLAN that untagged frames of a port belong to. */
async function portVlan(port: string): Promise<number | undefined> {
  const text = await run(["bridge", "vlan", "show", "dev", port]);
  const match = /(\d+) PVID/.exec(text);
  return match === null ? undefined : Number(match[1]);
}
