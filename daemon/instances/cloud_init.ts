/** When cloud-init must take an instance for a new one, and configure it again. Pure. */
import type { Config, Devices, InstanceRecord } from "./record.ts";

export const INSTANCE_ID = "volatile.cloud-init.instance-id";

// Not user.meta-data, as in LXD 5.0.2.
const DATA = /^(cloud-init\.|user\.(network-config|user-data|vendor-data)$)/;

type Facts = Pick<InstanceRecord, "expandedConfig" | "expandedDevices">;

/** Do its data or the names of its interfaces differ? */
export function isNewForCloudInit(before: Facts, after: Facts): boolean {
  return dataOf(before.expandedConfig) !== dataOf(after.expandedConfig) ||
    interfacesOf(before.expandedDevices) !== interfacesOf(after.expandedDevices);
}

function dataOf(config: Config): string {
  const pairs = Object.entries(config).filter(([key, value]) => DATA.test(key) && value !== "");
  return JSON.stringify(pairs.toSorted());
}

function interfacesOf(devices: Devices): string {
  const nics = Object.entries(devices).filter(([, config]) => config["type"] === "nic");
  return JSON.stringify(nics.map(([device, { name }]) => [device, name ?? ""]).toSorted());
}
