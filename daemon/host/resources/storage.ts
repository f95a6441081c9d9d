/** Disks and their partitions. @see Linux: Documentation/ABI/stable/sysfs-block, udev(7) */
import { addressOf, numaNode } from "./device.ts";
import { type HostFiles, parentOf, unlessEmpty } from "./host_files.ts";

const BLOCK = "/sys/class/block";
const SECTOR_BYTES = 512;
/** What the kernel says of a drive without a disc. */
const NO_DISC_SECTORS = 0x1fffff;

/** Sizes in bytes; `total` counts disks and partitions. */
export async function readStorage(host: HostFiles) {
  const links = {
    ids: await readLinks(host, "/dev/disk/by-id"),
    paths: await readLinks(host, "/dev/disk/by-path"),
  };
  const names = await host.names(BLOCK);
  const disks = [];
  for (const id of names) {
    if (!await host.has(`${BLOCK}/${id}/device`)) continue; // A partition, or a loop device.
    const partitions = await readPartitions(host, id, names);
    disks.push(await readDisk(host, { id, links, partitions }));
  }
  const parts = disks.reduce((sum, { partitions }) => sum + partitions.length, 0);
  return { disks, total: disks.length + parts };
}

type Links = ReadonlyMap<string, string>;

/** Names in one of udev's directories, by what they are links to; of several the last, as LXD takes it. */
async function readLinks(host: HostFiles, directory: string): Promise<Links> {
  const links = new Map<string, string>();
  for (const name of await host.names(directory)) {
    const target = await host.real(`${directory}/${name}`);
    if (target !== undefined) links.set(target, name);
  }
  return links;
}

async function readPartitions(host: HostFiles, disk: string, names: readonly string[]) {
  const found = [];
  for (const id of names) {
    const at = `${BLOCK}/${id}`;
    if (id === disk || !id.startsWith(disk) || !await host.has(`${at}/partition`)) continue;
    if (parentOf(await host.real(at) ?? "") !== await host.real(`${BLOCK}/${disk}`)) continue;
    found.push({
      id,
      device: await host.text(`${at}/dev`),
      read_only: await host.text(`${at}/ro`) === "1",
      size: await host.number(`${at}/size`) * SECTOR_BYTES,
      partition: await host.number(`${at}/partition`),
    });
  }
  return found;
}

interface DiskOptions<Partition> {
  readonly id: string;
  readonly links: { readonly ids: Links; readonly paths: Links };
  readonly partitions: readonly Partition[];
}

async function readDisk<P>(host: HostFiles, { id, links, partitions }: DiskOptions<P>) {
  const at = `${BLOCK}/${id}`;
  const device = await host.text(`${at}/dev`);
  const udev = parseUdev(await host.text(`/run/udev/data/b${device}`));
  const address = await addressOf(host, `${at}/device`);
  const sectors = await host.number(`${at}/size`);
  const isCd = udev.has("ID_CDROM");
  return {
    id,
    device,
    ...unlessEmpty("model", modelOf(udev) || await host.text(`${at}/device/model`)),
    type: typeOf(udev) ?? await host.linkName(`${at}/device/subsystem`),
    read_only: await host.text(`${at}/ro`) === "1",
    size: isCd && sectors === NO_DISC_SECTORS ? 0 : sectors * SECTOR_BYTES,
    removable: await host.text(`${at}/removable`) === "1",
    ...unlessEmpty("wwn", await host.text(`${at}/wwid`)),
    numa_node: await numaNode(host, `${at}/device`),
    ...unlessEmpty("device_path", links.paths.get(`/dev/${id}`)),
    device_id: links.ids.get(`/dev/${id}`) ?? "",
    block_size: await host.number(`${at}/queue/physical_block_size`),
    ...unlessEmpty(
      "firmware_version",
      udev.get("ID_REVISION") ?? await host.text(`${at}/device/firmware_rev`),
    ),
    rpm: Number(udev.get("ID_ATA_ROTATION_RATE_RPM")) ||
      await host.number(`${at}/queue/rotational`),
    ...unlessEmpty("serial", udev.get("ID_SERIAL_SHORT") ?? ""),
    partitions,
    ...unlessEmpty("pci_address", address.pci),
    ...unlessEmpty("usb_address", address.usb),
  };
}

/** Lines `E:ID_CDROM=1` of udev's database: its properties. Pure. */
function parseUdev(text: string): ReadonlyMap<string, string> {
  const lines = text.matchAll(/^E:([^=\n]+)=(.*)$/gm);
  return new Map([...lines].map(([, key = "", value = ""]) => [key, value]));
}

const KINDS = [["ID_CDROM", "cdrom"], ["ID_USB_DRIVER", "usb"], ["ID_ATA_SATA", "sata"]] as const;

const typeOf = (udev: ReadonlyMap<string, string>) => KINDS.find(([key]) => udev.has(key))?.[1];

/** udev writes other than letters as `\x20`. */
function modelOf(udev: ReadonlyMap<string, string>): string {
  const encoded = udev.get("ID_MODEL_ENC");
  if (encoded === undefined) return udev.get("ID_MODEL") ?? "";
  const letter = (_: string, code: string) => String.fromCharCode(parseInt(code, 16));
  return encoded.replace(/\\x([0-9a-f]{2})/g, letter).trim();
}
