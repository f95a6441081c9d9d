/** Configuration keys of projects. Limits and restrictions are kept; they act in a later version. */
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import { isFalse, isTrue } from "#base/units.ts";

export const PROJECT_FEATURES = [
  "features.images",
  "features.profiles",
  "features.storage.volumes",
  "features.networks",
] as const;

const OTHER = [
  "backups.compression_algorithm",
  "images.auto_update_cached",
  "images.auto_update_interval",
  "images.compression_algorithm",
  "images.default_architecture",
  "images.remote_cache_expiry",
  "limits.containers",
  "limits.cpu",
  "limits.disk",
  "limits.instances",
  "limits.memory",
  "limits.networks",
  "limits.processes",
  "limits.virtual-machines",
  "restricted",
  "restricted.backups",
  "restricted.cluster.groups",
  "restricted.cluster.target",
  "restricted.containers.interception",
  "restricted.containers.lowlevel",
  "restricted.containers.nesting",
  "restricted.containers.privilege",
  "restricted.devices.disk",
  "restricted.devices.disk.paths",
  "restricted.devices.gpu",
  "restricted.devices.infiniband",
  "restricted.devices.nic",
  "restricted.devices.pci",
  "restricted.devices.proxy",
  "restricted.devices.unix-block",
  "restricted.devices.unix-char",
  "restricted.devices.unix-hotplug",
  "restricted.devices.usb",
  "restricted.idmap.gid",
  "restricted.idmap.uid",
  "restricted.networks.access",
  "restricted.networks.subnets",
  "restricted.networks.uplinks",
  "restricted.networks.zones",
  "restricted.snapshots",
  "restricted.virtual-machines.lowlevel",
] as const;

export const PROJECT_KEYS: readonly string[] = [...PROJECT_FEATURES, ...OTHER];

/** @throws {Fault} bad_request */
export function checkProjectConfig(config: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    if (!PROJECT_KEYS.includes(key)) {
      const near = suggest(key, PROJECT_KEYS);
      throw new Fault("bad_request", `Invalid project configuration key "${key}"`, {
        hint: near === undefined ? "See the list of project keys." : `Did you mean "${near}"?`,
      });
    }
    const isBool = key.startsWith("features.") || key === "restricted";
    if (isBool && value !== "" && !isTrue(value) && !isFalse(value)) {
      throw new Fault("bad_request", `Invalid value "${value}" for "${key}": want true or false`);
    }
  }
}
