/** A veth pair whose end on the host is a port of a bridge. */
import { isTrue } from "#base/units.ts";
import { Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { linkExists } from "#daemon/host/links.ts";
import { run } from "#daemon/host/run.ts";
import { checkBridged } from "./bridged_check.ts";
import { applyFilters, isFiltered, removeFilters } from "./filters.ts";
import type { Nic, NicKind } from "./kind.ts";
import { hostNameOf, hwaddrOf } from "./names.ts";
import { assertUnique, fixedAddresses, tellDnsmasq } from "./static_host.ts";
import {
  addRoutes,
  changeLimits,
  dressPair,
  ownerOf,
  pairLines,
  planPair,
  plugPair,
  removePair,
  removeRoutes,
} from "./veth.ts";
import { hasBridgeVlan, joinVlans, requireVlanFiltering } from "./vlan.ts";

/** All that must fit before the nic may appear. */
async function prepare(nic: Nic, undo: Undo) {
  const { device, parent, config } = nic;
  if (!await linkExists(parent)) {
    throw new Fault("bad_request", `Parent device "${parent}" doesn't exist`, {
      hint: "Is the network up? See: lxc network list",
    });
  }
  if (hasBridgeVlan(config)) await requireVlanFiltering(parent);
  await assertUnique(device.name, nic, device.host, await hwaddrOf(device));
  const pair = await planPair(nic, undo);
  undo.add("remove the pair and its rules", () => leave(nic));
  await filter(nic);
  return pair;
}

/** The rules name the host's end: they are there before it is. */
async function filter(nic: Nic): Promise<void> {
  const { device, config } = nic;
  const hwaddr = await hwaddrOf(device);
  const addresses = await fixedAddresses(nic, hwaddr);
  await tellDnsmasq(nic, hwaddr, addresses);
  const link = hostNameOf(device);
  if (link === undefined || !isFiltered(config)) return;
  await applyFilters({ owner: ownerOf(nic), link, hwaddr, config, ...addresses });
}

async function dress(nic: Nic): Promise<void> {
  const link = hostNameOf(nic.device);
  if (link === undefined) return;
  if (isTrue(nic.config["security.port_isolation"])) {
    await run(["bridge", "link", "set", "dev", link, "isolated", "on"]);
  }
  if (hasBridgeVlan(nic.config)) await joinVlans(link, nic.config);
  await dressPair(nic);
  await addRoutes(nic.config, nic.parent);
}

/** Idempotent. */
async function leave(nic: Nic): Promise<void> {
  await removeRoutes(nic.config, nic.parent);
  if (isFiltered(nic.config)) await removeFilters(ownerOf(nic));
  await removePair(nic);
}

export const bridged: NicKind = {
  type: "bridged",
  live: [
    ...["limits.egress", "limits.ingress", "limits.max", "queue.tx.length"],
    ...["ipv4.routes", "ipv6.routes", "ipv4.routes.external", "ipv6.routes.external"],
    ...["ipv4.address", "ipv6.address", "security.mac_filtering"],
    ...["security.ipv4_filtering", "security.ipv6_filtering"],
  ],
  check: checkBridged,
  async start(nic, undo) {
    const pair = await prepare(nic, undo);
    return { lxc: pairLines(pair, { bridge: nic.parent }), afterStart: () => dress(nic) };
  },
  stop: leave,
  async plug(nic, pid, undo) {
    const pair = await prepare(nic, undo);
    await plugPair(pair, pid, { bridge: nic.parent, undo });
    await dress(nic);
  },
  unplug: leave,
  async update(nic, before) {
    const { device } = nic;
    await assertUnique(device.name, nic, device.host, await hwaddrOf(device));
    if (isFiltered(before.config)) await removeFilters(ownerOf(nic));
    await filter(nic);
    await changeLimits(nic);
    await removeRoutes(before.config, nic.parent);
    await addRoutes(nic.config, nic.parent);
  },
};
