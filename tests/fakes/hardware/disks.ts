/** Disks of the made-up host: NVMe, SATA, USB, SAS, an eMMC, a CD drive. */
import { driven, pci, pciPath } from "./pci.ts";
import { files, link, type Tree } from "./tree.ts";
import { usbPath } from "./usb.ts";

const [NVME, SATA, SAS] = ["0000:07:00.0", "0000:00:17.0", "0000:08:00.0"] as const;

const NODES = ["sda", "sda1", "sdb", "sdc", "sr0", "sr1", "nvme0n1", "mmcblk0"];
/** A device that answers for its block size; nothing is attached to it. */
const LOOP = { major: 7, minor: 7 };

interface DiskOptions {
  readonly dev: string;
  /** Of 512 bytes. */
  readonly sectors: number;
  readonly readOnly?: boolean;
  readonly removable?: boolean;
  readonly rotational?: boolean;
  readonly partitions?: Readonly<
    Record<string, readonly [number: number, dev: string, sectors: number]>
  >;
}

/** A disk below the directory `block` of its device. */
function disk(device: string, path: string, options: DiskOptions): Tree {
  const at = `${device}/${path}`;
  const name = path.slice(path.lastIndexOf("/") + 1);
  const flag = (value = false) => value ? 1 : 0;
  const parts = Object.entries(options.partitions ?? {}).map((
    [part, [partition, dev, size]],
  ): Tree => ({
    ...files(`${at}/${part}`, { partition, dev, size, ro: 0 }),
    ...link(`sys/class/block/${part}`, `${at}/${part}`),
  }));
  return Object.assign({
    ...files(at, {
      dev: options.dev,
      size: options.sectors,
      ro: flag(options.readOnly),
      removable: flag(options.removable),
    }),
    ...files(`${at}/queue`, { rotational: flag(options.rotational), physical_block_size: 512 }),
    ...link(`${at}/device`, device),
    ...link(`sys/class/block/${name}`, at),
  }, ...parts);
}

const udev = (dev: string, lines: readonly string[]): Tree => ({
  [`run/udev/data/b${dev}`]: lines.map((line) => `${line}\n`).join(""),
});

const nvme = `${pciPath(NVME)}/nvme/nvme0`;
const sata = `${pciPath(SATA)}/ata1/host0/target0:0:0/0:0:0:0`;
const cd = `${pciPath(SATA)}/ata2/host1/target1:0:0/1:0:0:0`;
const disc = `${pciPath(SATA)}/ata3/host3/target3:0:0/3:0:0:0`;
const sas = `${pciPath(SAS)}/host2/port-2:0/end_device-2:0/target2:0:0/2:0:0:0`;
const usb = `${usbPath("1-2")}/1-2:1.0/host6/target6:0:0/6:0:0:0`;
const emmc = "sys/devices/platform/sdhci.0/mmc_host/mmc0/mmc0:0001";

export const disks: Tree = {
  ...pci(NVME, { class: "0x010802", vendor: "0x8086", device: "0xf1a5", driver: "nvme", node: 1 }),
  ...files(nvme, { model: "INTEL SSDPEKKW256G7", firmware_rev: "PSF121C", numa_node: 1 }),
  ...files(nvme, { serial: "BTPY63440ARH256D", state: "live" }),
  ...link(`${nvme}/subsystem`, "sys/class/nvme"),
  ...files("sys/class/nvme", { uevent: "" }),
  ...link(`${nvme}/device`, pciPath(NVME)),
  ...disk(nvme, "nvme0n1", {
    ...{ dev: "259:0", sectors: 500118192 },
    partitions: { nvme0n1p1: [1, "259:1", 1048576], nvme0n1p12: [12, "259:12", 2097152] },
  }),
  ...files(`${nvme}/nvme0n1`, { wwid: "eui.0000000001000000e4d25cafae2e4c00" }),
  ...udev("259:0", ["E:ID_SERIAL_SHORT=BTPY63440ARH256D", "E:ID_MODEL=INTEL_SSDPEKKW256G7"]),

  ...pci(SATA, { class: "0x010601", vendor: "0x8086", device: "0x9d03", driver: "ahci" }),
  ...files(sata, { model: "ST1000LM035     ", rev: "LCM2", vendor: "ATA     ", type: 0 }),
  ...files(sata, { wwid: "naa.5000c500a1b2c3d4" }),
  ...link(`${sata}/subsystem`, "sys/bus/scsi"),
  ...driven(sata, "sd", undefined, "scsi"),
  ...disk(sata, "block/sda", {
    ...{ dev: "8:0", sectors: 1953525168, rotational: true },
    partitions: { sda1: [1, "8:1", 1953521664] },
  }),
  ...udev("8:0", [
    "S:disk/by-id/ata-ST1000LM035_WDE12345",
    "E:ID_ATA=1",
    "E:ID_ATA_SATA=1",
    "E:ID_ATA_ROTATION_RATE_RPM=5400",
    "E:ID_SERIAL_SHORT=WDE12345",
    "E:ID_REVISION=LCM2",
    "E:ID_MODEL=ST1000LM035-1RK172",
    "E:ID_SERIAL=ST1000LM035-1RK172_WDE12345",
    "E:ID_MODEL_ENC=ST1000LM035-1RK172\\x20\\x20of\\x20Seagate\\x20",
  ]),
  ...files(cd, { model: "DVD-RW GU90N    ", rev: "LX20", type: 5 }),
  ...link(`${cd}/subsystem`, "sys/bus/scsi"),
  ...disk(cd, "block/sr0", { dev: "11:0", sectors: 2097151, removable: true, rotational: true }),
  ...udev("11:0", ["E:ID_CDROM=1", "E:ID_ATA_SATA=1"]),
  ...files(disc, { model: "DVD-RW GU90N    ", rev: "LX20", type: 5 }),
  ...link(`${disc}/subsystem`, "sys/bus/scsi"),
  ...disk(disc, "block/sr1", { dev: "11:1", sectors: 1000000, removable: true, rotational: true }),
  ...udev("11:1", ["E:ID_CDROM=1", "E:ID_CDROM_MEDIA=1"]),

  ...pci(SAS, {
    class: "0x010700",
    vendor: "0x1000",
    device: "0x0097",
    driver: "mpt3sas",
    node: 1,
  }),
  ...files(sas, { model: "ST600MM0006     ", rev: "LS0A", type: 0, wwid: "naa.5000c5006f4d2a1b" }),
  ...link(`${sas}/subsystem`, "sys/bus/scsi"),
  ...disk(sas, "block/sdc", { dev: "8:32", sectors: 1172123568, rotational: true, readOnly: true }),

  ...files(usb, { model: "Ultra           ", rev: "1.00", type: 0 }),
  ...link(`${usb}/subsystem`, "sys/bus/scsi"),
  ...disk(usb, "block/sdb", {
    ...{ dev: "8:16", sectors: 60062500, removable: true },
    partitions: { sdb1: [1, "8:17", 60060452] },
  }),
  ...udev("8:16", ["E:ID_SERIAL_SHORT=4C530001", "E:ID_USB_DRIVER=usb-storage", "E:ID_BUS=usb"]),

  ...files(emmc, { name: "DF4032", fwrev: "0x1", serial: "0x12345678", type: "MMC" }),
  ...link(`${emmc}/subsystem`, "sys/bus/mmc"),
  ...files("sys/bus/mmc", { uevent: "" }),
  ...disk(emmc, "block/mmcblk0", { dev: "179:0", sectors: 61071360 }),

  ...link("dev/disk/by-id/nvme-eui.0000000001000000e4d25cafae2e4c00", "dev/nvme0n1"),
  ...link("dev/disk/by-id/nvme-INTEL_SSDPEKKW256G7_BTPY63440ARH256D", "dev/nvme0n1"),
  ...link("dev/disk/by-id/ata-ST1000LM035_WDE12345", "dev/sda"),
  ...link("dev/disk/by-id/ata-ST1000LM035_WDE12345-part1", "dev/sda1"),
  ...link("dev/disk/by-id/wwn-0x5000c500a1b2c3d4", "dev/sda"),
  ...link("dev/disk/by-path/pci-0000:07:00.0-nvme-1", "dev/nvme0n1"),
  ...link("dev/disk/by-path/pci-0000:00:17.0-ata-1", "dev/sda"),
  ...link("dev/disk/by-path/pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0", "dev/sdb"),
  ...Object.assign({}, ...NODES.map((name): Tree => ({ [`dev/${name}`]: LOOP }))),
};
