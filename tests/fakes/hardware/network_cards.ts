/** Network cards of the made-up host: Ethernet, InfiniBand, one with virtual functions. */
import { driven, pci, pciPath, virtualFunction } from "./pci.ts";
import { files, link, type Tree } from "./tree.ts";

const [ETHERNET, INFINIBAND, MANY, FUNCTION, GIVEN, VIRTUAL] = [
  "0000:04:00.0",
  "0000:05:00.0",
  "0000:06:00.0",
  "0000:06:10.0",
  "0000:06:10.2",
  "0000:09:00.0",
] as const;

/** `type` is that of <linux/if_arp.h>: 1 Ethernet, 32 InfiniBand. */
export function port(device: string, name: string, port: number, address: string, type = 1): Tree {
  return {
    ...files(`${device}/net/${name}`, { address, type, dev_port: port, dev_id: "0x0", carrier: 1 }),
    ...link(`${device}/net/${name}/device`, device),
    ...link(`sys/class/net/${name}`, `${device}/net/${name}`),
  };
}

const infiniband = (kind: string, name: string, dev: string, port = 1): Tree => ({
  ...files(`${pciPath(INFINIBAND)}/${kind}/${name}`, { dev, port }),
  ...link(`sys/class/${kind}/${name}`, `${pciPath(INFINIBAND)}/${kind}/${name}`),
});

type Fields = Readonly<Record<string, string>>;

/** Vital product data: a name, fields for reading, for writing. @see PCI 3.0, appendix I */
function vpd(name: string, fixed: Fields, writable: Fields): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder();
  const entries = (fields: Fields) =>
    Object.entries(fields).flatMap(([key, value]) => [
      ...bytes.encode(key),
      value.length,
      ...bytes.encode(value),
    ]);
  const large = (tag: number, data: readonly number[]) => [
    ...[tag, data.length & 0xff, data.length >> 8],
    ...data,
  ];
  const END = 0x78;
  return new Uint8Array([
    ...large(0x82, [...bytes.encode(name)]),
    ...large(0x90, entries(fixed)),
    ...large(0x91, entries(writable)),
    END,
  ]);
}

export const networkCards: Tree = {
  ...pci(ETHERNET, {
    ...{ class: "0x020000", vendor: "0x8086", device: "0x1521", node: 1 },
    ...{ driver: "igb", version: "5.6.0-k", iommuGroup: 20 },
  }),
  ...port(pciPath(ETHERNET), "hwether0", 0, "00:16:3e:00:00:01"),
  [`${pciPath(ETHERNET)}/vpd`]: vpd("HP Ethernet 1Gb 4-port 331i Adapter", {
    ...{ PN: "N/A", EC: "A-5545", MN: " 103C ", V0: "5W PCIeGen2", RV: "\x01\0\0" },
  }, { V1: "writable", YA: "asset", RW: "\0\0" }),
  ...pci(INFINIBAND, {
    class: "0x020700",
    vendor: "0x15b3",
    device: "0x1017",
    driver: "mlx5_core",
  }),
  ...port(pciPath(INFINIBAND), "hwib0", 0, "80:00:00:02:fe:80", 32),
  ...port(pciPath(INFINIBAND), "hwib1", 1, "80:00:00:03:fe:80", 32),
  ...infiniband("infiniband_mad", "umad0", "231:0"),
  ...infiniband("infiniband_mad", "issm0", "231:64"),
  ...infiniband("infiniband_mad", "umad1", "231:1", 2),
  ...infiniband("infiniband_mad", "issm1", "231:65", 2),
  ...infiniband("infiniband_verbs", "uverbs0", "231:192"),
  ...files(`${pciPath(INFINIBAND)}/infiniband/mlx5_0`, { node_type: "1: CA" }),
  ...pci(MANY, { class: "0x020000", vendor: "0x8086", device: "0x10fb", driver: "ixgbe" }),
  ...port(pciPath(MANY), "hwmany0", 0, "00:16:3e:00:00:02"),
  ...files(pciPath(MANY), { sriov_numvfs: 2, sriov_totalvfs: 63 }),
  ...pci(FUNCTION, { class: "0x020000", vendor: "0x8086", device: "0x10ed", driver: "ixgbevf" }),
  ...port(pciPath(FUNCTION), "hwmany0v0", 0, "00:16:3e:00:00:03"),
  ...virtualFunction(0, MANY, FUNCTION),
  ...pci(GIVEN, { class: "0x020000", vendor: "0x8086", device: "0x10ed", driver: "vfio-pci" }),
  ...virtualFunction(1, MANY, GIVEN),
  ...pci(VIRTUAL, { class: "0x020000", vendor: "0x1af4", device: "0x1041", driver: "virtio-pci" }),
  ...port(`${pciPath(VIRTUAL)}/virtio5`, "hwvirt0", 0, "00:16:3e:00:00:05"),
  ...files(`${pciPath(VIRTUAL)}/virtio5`, { vendor: "0x1af4", device: "0x0001" }),
  ...link(`${pciPath(VIRTUAL)}/virtio5/subsystem`, "sys/bus/virtio"),
  ...driven(`${pciPath(VIRTUAL)}/virtio5`, "virtio_net", undefined, "virtio"),
};
