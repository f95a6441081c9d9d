/** What devices and networks a restricted project may have. Pure. */
import { PROJECT_KEYS } from "#api/config/project_keys.ts";
import { listOf } from "#base/list.ts";
import { isTrue } from "#base/units.ts";

type Config = Readonly<Record<string, string>>;

const BLOCKABLE = [
  ...["gpu", "infiniband", "pci", "proxy", "usb"],
  ...["unix-block", "unix-char", "unix-hotplug"],
];

const valueOf = (project: Config, type: string): string =>
  project[`restricted.devices.${type}`] || PROJECT_KEYS[`restricted.devices.${type}`]?.default ||
  "block";

/** Why a device is not allowed; undefined if it is. */
export function refusedDevice(project: Config, options: Config): string | undefined {
  const type = options["type"] ?? "";
  if (type === "nic") return refusedNic(project, options);
  if (type === "disk") return refusedDisk(project, options);
  return BLOCKABLE.includes(type) && valueOf(project, type) !== "allow"
    ? `Devices of type "${type}" are forbidden`
    : undefined;
}

function refusedNic(project: Config, options: Config): string | undefined {
  const allowed = valueOf(project, "nic");
  const network = options["network"] ?? "";
  if (allowed === "block") return "Network devices are forbidden";
  if (allowed === "managed" && network === "") return "Only managed network devices are allowed";
  const name = network || options["parent"] || "";
  return name === "" || isNetworkAllowed(project, { name, isManaged: network !== "" })
    ? undefined
    : `Network "${name}" is not allowed in this project`;
}

/** Folders of the host that disks of the project may come from; none: any. */
export function diskFolders(project: Config): readonly string[] {
  return isTrue(project["restricted"]) ? listOf(project["restricted.devices.disk.paths"]) : [];
}

function refusedDisk(project: Config, options: Config): string | undefined {
  const allowed = valueOf(project, "disk");
  const hasPool = (options["pool"] ?? "") !== "";
  if (options["path"] === "/" && hasPool) return undefined;
  if (allowed === "block") return "Disk devices are forbidden";
  if (hasPool) return undefined;
  if (allowed === "managed") return "Attaching disks not backed by a pool is forbidden";
  const folders = listOf(project["restricted.devices.disk.paths"]);
  const source = options["source"] ?? "";
  if (folders.length === 0) return undefined;
  const isBelow = folders.some((folder) =>
    source === folder || source.startsWith(folder.endsWith("/") ? folder : `${folder}/`)
  );
  const climbs = source.split("/").includes("..");
  return isBelow && !climbs ? undefined : `Disk source path "${source}" not allowed`;
}

/** May the project have a DNS zone of this name: one that is listed, or below one? */
export function isZoneAllowed(project: Config, zone: string): boolean {
  if (!isTrue(project["restricted"])) return true;
  return listOf(project["restricted.networks.zones"])
    .some((one) => zone === one || zone.endsWith(`.${one}`));
}

/** May a network of the server be seen and used by the project? */
export function isNetworkAllowed(
  project: Config,
  network: { readonly name: string; readonly isManaged: boolean },
): boolean {
  if (!isTrue(project["restricted"])) return true;
  const allowed = valueOf(project, "nic");
  if (allowed === "block" || (allowed === "managed" && !network.isManaged)) return false;
  const access = listOf(project["restricted.networks.access"]);
  return access.length === 0 || access.includes(network.name);
}
