/** Nics of instances, by the network that they hang on. */
import type { Tx } from "#daemon/db/db.ts";
import { listInstances } from "#daemon/db/instances.ts";
import { listNetworks } from "#daemon/db/networks.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import type { ManagedNetwork, NicRef, NicUse } from "./service.ts";

type Config = Readonly<Record<string, string>>;

/** Does a device of an instance hang on the network, given whose networks its project sees? Pure. */
export function isOnNetwork(
  device: Config,
  network: Pick<ManagedNetwork, "name" | "project">,
  networksOf: string,
): boolean {
  if (device["type"] !== "nic") return false;
  if ((device["network"] ?? "") !== "") {
    return device["network"] === network.name && networksOf === network.project;
  }
  const isBridged = ["bridged", "macvlan", "physical", "sriov"].includes(device["nictype"] ?? "");
  return isBridged && device["parent"] === network.name;
}

/** Of all projects that see the network, stopped instances too. */
export async function nicsOn(
  tx: Tx,
  network: Pick<ManagedNetwork, "name" | "project">,
): Promise<NicUse[]> {
  const all = await allNics(tx);
  return all.filter(({ config, owner }) => isOnNetwork(config, network, owner));
}

/** Nics of all instances, with the project whose networks each sees. */
export async function allNics(tx: Tx): Promise<(NicUse & { readonly owner: string })[]> {
  const owners = new Map<string, string>();
  const found: (NicUse & { readonly owner: string })[] = [];
  for (const record of await listInstances(tx)) {
    let owner = owners.get(record.project);
    if (owner === undefined) {
      owner = (await effectiveProject(tx, record.project, "networks")).name;
      owners.set(record.project, owner);
    }
    for (const [device, config] of Object.entries(record.expandedDevices)) {
      if (config["type"] !== "nic") continue;
      found.push({
        project: record.project,
        instance: record.name,
        owner,
        device,
        config,
        hwaddr: config["hwaddr"] || record.config[`volatile.${device}.hwaddr`] || "",
      });
    }
  }
  return found;
}

/** Nics that run on a VLAN interface which was made for them or for another one of these. */
export async function vlanUsers(tx: Tx, parent: string, vlan: string): Promise<NicRef[]> {
  const networks = await listNetworks(tx);
  const found: NicRef[] = [];
  for (const { project, name, config, expandedDevices } of await listInstances(tx)) {
    const made = Object.entries(expandedDevices).filter(([device]) =>
      config[`volatile.${device}.last_state.created`] === "true"
    );
    for (const [device, options] of made) {
      // Parents are of the host: a network of that name has the same one in whatever project.
      const given = networks.filter((one) => one.name === options["network"]);
      const isOnIt = [options, ...given.map((one) => one.config)]
        .some((one) => one["parent"] === parent && one["vlan"] === vlan);
      if (isOnIt) found.push({ project, instance: name, device });
    }
  }
  return found;
}
