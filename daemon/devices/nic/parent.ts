/** The interface of the host that a nic hangs on, made for it where it is a VLAN. */
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import type { Undo } from "#base/undo.ts";
import { linkExists, writeSysctl } from "#daemon/host/links.ts";
import type { NicRef } from "#daemon/networks/service.ts";
import type { Nic } from "./kind.ts";
import { createVlan, removeVlan, vlanLink } from "./vlan.ts";

const CREATED = "last_state.created";
/** By interface: while it comes or goes, nobody starts to use it. */
const locks = new LockTable();
/** Users that start or stop: what they are is in the database once they have. */
const users = new Map<string, Set<string>>();

const FORWARDING = [
  "net/ipv4/conf/LINK/forwarding",
  "net/ipv6/conf/LINK/forwarding",
  "net/ipv6/conf/LINK/proxy_ndp",
];

/**
 * @param options.forwards A VLAN interface that is made passes on packets and answers for addresses of
 *   instances; of one that is there its owner decides.
 * @returns its name. @throws {Fault} bad_request if there is none and it can't be made.
 */
export async function claimParent(
  nic: Nic,
  undo: Undo,
  { forwards = false }: { readonly forwards?: boolean } = {},
): Promise<string> {
  const { device, parent, config } = nic;
  if (!await linkExists(parent)) {
    throw new Fault("bad_request", `Parent device "${parent}" doesn't exist`, {
      hint: "The interfaces of the host are listed by: lxc network list",
    });
  }
  const link = vlanLink(parent, config["vlan"]);
  if (link === parent) return link;
  using _held = await locks.acquire(link);
  const isMade = await createVlan(parent, config);
  if (isMade) undo.add("remove VLAN interface", () => leaveVlan(nic));
  if (isMade && forwards) {
    for (const path of FORWARDING) await writeSysctl(path.replace("LINK", link), "1");
  }
  // The last of those that share what was made for one of them removes it.
  const isOurs = isMade || await hasOtherUsers(nic);
  if (isOurs) users.set(link, (users.get(link) ?? new Set()).add(nameOf(userOf(nic))));
  await device.host.setVolatile({ [`volatile.${device.name}.${CREATED}`]: String(isOurs) });
  return link;
}

/** Remove the VLAN interface that was made for nics with the last of them. Idempotent. */
export async function releaseParent(nic: Nic): Promise<void> {
  const { device } = nic;
  if (device.host.volatile(device.name, CREATED) === "true") await leaveVlan(nic);
}

async function leaveVlan(nic: Nic): Promise<void> {
  const { device, parent, config } = nic;
  const link = vlanLink(parent, config["vlan"]);
  using _held = await locks.acquire(link);
  if (!await hasOtherUsers(nic)) await removeVlan(parent, config);
  // From here on it does not count.
  users.get(link)?.delete(nameOf(userOf(nic)));
  await device.host.setVolatile({ [`volatile.${device.name}.${CREATED}`]: undefined });
}

async function hasOtherUsers(nic: Nic): Promise<boolean> {
  const { device, parent, config } = nic;
  const known = await device.services.networks.vlanUsers(parent, config["vlan"] ?? "");
  const all = new Set([...known.map(nameOf), ...users.get(vlanLink(parent, config["vlan"])) ?? []]);
  all.delete(nameOf(userOf(nic)));
  return all.size > 0;
}

const userOf = ({ device: { host, name } }: Nic): NicRef => ({
  project: host.project,
  instance: host.instance,
  device: name,
});

const nameOf = ({ project, instance, device }: NicRef) => `${project}/${instance}/${device}`;
