/** Hardware that machines for tests lack, read from a made-up host. The twins test reads it by LXD, too. */
import { MadeUpHardware } from "#tests/fakes/hardware/hardware.ts";
import assert from "node:assert/strict";
import { readResources } from "./resources.ts";

type Resources = Awaited<ReturnType<typeof readResources>>;

const kernel = Deno.osRelease();
let made: MadeUpHardware;
let found: Resources;

Deno.test.beforeAll(async () => {
  made = await MadeUpHardware.make();
  found = await readResources(made.root);
});
Deno.test.afterAll(() => made[Symbol.asyncDispose]());

/** The one of a list with that value. */
function one<T extends object>(list: readonly T[], key: string, value: unknown): T {
  const [match] = list.filter((each) =>
    Object.entries(each).some(([k, v]) => k === key && v === value)
  );
  assert.ok(match, `${key} ${value}`);
  return match;
}

Deno.test("readCpu() tells sockets, dies, cores and threads with their nodes", () => {
  const { sockets, total } = found.cpu;

  assert.equal(total, 12);
  assert.deepEqual(sockets.map(({ socket, name }) => [socket, name]), [
    [0, "Intel(R) Xeon(R) of socket 0 @ 2.60GHz"],
    [1, "Intel(R) Xeon(R) of socket 1 @ 2.60GHz"],
  ]);
  assert.deepEqual(sockets[1]?.cores[0], {
    core: 0,
    die: 0,
    frequency: 1703,
    threads: [
      { id: 1, numa_node: 1, thread: 0, online: true, isolated: false },
      { id: 5, numa_node: 1, thread: 1, online: false, isolated: false },
    ],
  });
  assert.deepEqual(sockets[0]?.cores.map(({ core, die }) => [core, die]), [[0, 0], [4, 1], [8, 1]]);
  const isolated = sockets.flatMap(({ cores }) => cores.flatMap(({ threads }) => threads))
    .filter(({ isolated }) => isolated).map(({ id }) => id);
  assert.deepEqual(isolated.toSorted(), [2, 3, 6]);
});

Deno.test("readCpu() tells a socket's frequencies in MHz and its caches in bytes", () => {
  const { cores: _cores, ...socket } = one(found.cpu.sockets, "socket", 1);

  assert.deepEqual(socket, {
    name: "Intel(R) Xeon(R) of socket 1 @ 2.60GHz",
    vendor: "GenuineIntel",
    socket: 1,
    frequency: 1703,
    frequency_minimum: 400,
    frequency_turbo: 3500,
    cache: [
      { level: 1, type: "Data", size: 32 * 1024 },
      { level: 1, type: "Instruction", size: 64 * 1024 },
      { level: 2, type: "Unified", size: 1024 * 1024 },
      { level: 3, type: "Unified", size: 17 * 1024 * 1024 },
    ],
  });
});

Deno.test("readMemory() counts the blocks that are online, and huge pages by node", () => {
  const [MiB, block] = [2 ** 20, 2 ** 33];

  assert.deepEqual(found.memory, {
    nodes: [
      {
        numa_node: 0,
        hugepages_used: 512 * 2 * MiB,
        hugepages_total: 1024 * 2 * MiB,
        used: 6000000 * 1024,
        total: 2 * block,
      },
      {
        numa_node: 1,
        hugepages_used: 511 * 2 * MiB,
        hugepages_total: 1024 * 2 * MiB,
        used: 5999999 * 1024,
        total: block,
      },
    ],
    hugepages_used: 1023 * 2 * MiB,
    hugepages_total: 2048 * 2 * MiB,
    hugepages_size: 2 * MiB,
    used: 3 * block - (8000000 + 400000 + 5000000) * 1024,
    total: 3 * block,
  });
});

Deno.test("readGpus() tells a card's nodes, maker and mediated devices", () => {
  assert.deepEqual(one(found.gpu.cards, "pci_address", "0000:00:02.0"), {
    driver: "i915",
    driver_version: kernel,
    numa_node: 0,
    pci_address: "0000:00:02.0",
    vendor: "Intel Corporation",
    vendor_id: "8086",
    product: "HD Graphics 620",
    product_id: "5916",
    drm: {
      id: 0,
      card_name: "card0",
      card_device: "226:0",
      control_name: "controlD64",
      control_device: "226:64",
      render_name: "renderD128",
      render_device: "226:128",
    },
    mdev: {
      "i915-GVTg_V5_4": { api: "vfio-pci", available: 1, devices: [] },
      "i915-GVTg_V5_8": {
        api: "vfio-pci",
        available: 2,
        name: "GVTg_V5_8",
        description:
          "low_gm_size: 64MB\nhigh_gm_size: 384MB\nfence: 4\nresolution: 1024x768\nweight: 2",
        devices: ["42200aac-0977-495c-8c9e-6c51b9092a01"],
      },
    },
  });
});

Deno.test("readGpus() puts functions below their card, and finds cards on USB and without a driver", () => {
  const { cards, total } = found.gpu;
  const owner = one(cards, "pci_address", "0000:02:00.0");

  assert.equal(total, 6);
  assert.equal(owner.sriov?.current_vfs, 1);
  assert.equal(owner.sriov.maximum_vfs, 4);
  assert.deepEqual(owner.sriov.vfs.map(({ pci_address, drm }) => [pci_address, drm?.id]), [
    ["0000:02:00.1", 3],
  ]);
  assert.deepEqual(one(cards, "usb_address", "1:3").drm, {
    id: 4,
    card_name: "card4",
    card_device: "226:4",
  });
  assert.deepEqual(one(cards, "pci_address", "0000:03:00.0"), {
    numa_node: 0,
    pci_address: "0000:03:00.0",
    vendor_id: "102b",
    product_id: "0532",
  });
});

Deno.test("readNetwork() tells an InfiniBand card's ports with the nodes of each", () => {
  const { ports = [], ...card } = one(found.network.cards, "pci_address", "0000:05:00.0");

  assert.deepEqual(card, {
    driver: "mlx5_core",
    driver_version: kernel,
    numa_node: 0,
    pci_address: "0000:05:00.0",
    vendor: "Mellanox Technologies",
    vendor_id: "15b3",
    product_id: "1017",
  });
  assert.deepEqual(
    ports.map(({ id, port, protocol, infiniband }) => [id, port, protocol, infiniband]),
    [
      ["hwib0", 0, "infiniband", {
        ...{ issm_name: "issm0", issm_device: "231:64", mad_name: "umad0", mad_device: "231:0" },
        ...{ verb_name: "uverbs0", verb_device: "231:192" },
      }],
      ["hwib1", 1, "infiniband", {
        ...{ issm_name: "issm1", issm_device: "231:65", mad_name: "umad1", mad_device: "231:1" },
        ...{ verb_name: "uverbs0", verb_device: "231:192" },
      }],
    ],
  );
});

Deno.test("readNetwork() tells functions, and cards on USB and of a hypervisor", () => {
  const { cards, total } = found.network;
  const { sriov } = one(cards, "pci_address", "0000:06:00.0");

  assert.equal(total, 7);
  assert.deepEqual([sriov?.current_vfs, sriov?.maximum_vfs], [2, 63]);
  assert.deepEqual(sriov?.vfs.map(({ pci_address, driver }) => [pci_address, driver]), [
    ["0000:06:10.0", "ixgbevf"],
    ["0000:06:10.2", "vfio-pci"],
  ]);
  assert.equal(one(cards, "usb_address", "1:4").driver_version, "1.2");
  assert.equal(one(cards, "pci_address", "0000:09:00.0").driver, "virtio_net");
});

Deno.test("readStorage() tells a disk as udev knows it, with its partitions", () => {
  assert.equal(found.storage.total, 11);
  assert.deepEqual(one(found.storage.disks, "id", "sda"), {
    id: "sda",
    device: "8:0",
    model: "ST1000LM035-1RK172  of Seagate",
    type: "sata",
    read_only: false,
    size: 1953525168 * 512,
    removable: false,
    numa_node: 0,
    device_path: "pci-0000:00:17.0-ata-1",
    device_id: "wwn-0x5000c500a1b2c3d4",
    block_size: 512,
    firmware_version: "LCM2",
    rpm: 5400,
    serial: "WDE12345",
    pci_address: "0000:00:17.0",
    partitions: [
      { id: "sda1", device: "8:1", read_only: false, size: 1953521664 * 512, partition: 1 },
    ],
  });
});

Deno.test("readStorage() tells NVMe, USB, SAS, eMMC and CD drives apart", () => {
  const { disks } = found.storage;
  const nvme = one(disks, "id", "nvme0n1");

  assert.deepEqual(disks.map(({ id, type }) => [id, type]), [
    ...[["mmcblk0", "mmc"], ["nvme0n1", "nvme"], ["sda", "sata"], ["sdb", "usb"]],
    ...[["sdc", "scsi"], ["sr0", "cdrom"], ["sr1", "cdrom"]],
  ]);
  assert.deepEqual([nvme.wwn, nvme.firmware_version, nvme.numa_node, nvme.pci_address], [
    ...["eui.0000000001000000e4d25cafae2e4c00", "PSF121C", 1, "0000:07:00.0"],
  ]);
  assert.deepEqual(nvme.partitions.map(({ id, partition }) => [id, partition]), [
    ["nvme0n1p1", 1],
    ["nvme0n1p12", 12],
  ]);
  const { usb_address, removable } = one(disks, "id", "sdb");
  assert.deepEqual([usb_address, removable], ["1:2", true]);
  assert.equal(one(disks, "id", "sdc").read_only, true);
  assert.deepEqual([one(disks, "id", "sr0").size, one(disks, "id", "sr1").size], [0, 512000000]);
});

Deno.test("readUsb() tells devices but no hubs, and their interfaces", () => {
  const { devices, total } = found.usb;

  assert.equal(total, 4);
  assert.deepEqual(one(devices, "device_address", 5), {
    bus_address: 1,
    device_address: 5,
    vendor: "ATEN International Co., Ltd",
    vendor_id: "0557",
    product: "Hermon USB hidmouse Device",
    product_id: "2221",
    speed: 1.5,
    interfaces: [
      {
        ...{ class: "Human Interface Device", class_id: 3, number: 0 },
        ...{ driver: "usbhid", driver_version: kernel },
        ...{ subclass: "Boot Interface Subclass", subclass_id: 1 },
      },
      {
        ...{ class: "Human Interface Device", class_id: 3, number: 1 },
        ...{ driver: "", driver_version: "" },
        ...{ subclass: "Boot Interface Subclass", subclass_id: 1 },
      },
    ],
  });
  assert.equal(one(devices, "device_address", 3).product, "Rextron USB-VGA");
});

Deno.test("readPci() tells driver, group of the IOMMU and vital product data", () => {
  assert.equal(found.pci.total, 16);
  assert.deepEqual(one(found.pci.devices, "pci_address", "0000:04:00.0"), {
    driver: "igb",
    driver_version: "5.6.0-k",
    numa_node: 1,
    pci_address: "0000:04:00.0",
    vendor: "Intel Corporation",
    vendor_id: "8086",
    product: "I350 Gigabit Network Connection",
    product_id: "1521",
    iommu_group: 20,
    vpd: {
      product_name: "HP Ethernet 1Gb 4-port 331i Adapter",
      entries: {
        ...{ PN: "N/A", EC: "A-5545", MN: "103C", V0: "5W PCIeGen2" },
        ...{ V1: "writable", YA: "asset" },
      },
    },
  });
  assert.deepEqual(one(found.pci.devices, "pci_address", "0000:03:00.0").vpd, {});
});

Deno.test("readSystem() tells the machine, its firmware, chassis and board", () => {
  const { type, ...system } = found.system;

  assert.match(type, /^(physical|virtual-machine|container)$/);
  assert.deepEqual(system, {
    uuid: "7fa1c0cc-2271-11b2-a85c-aab32a05d71a",
    vendor: "LENOVO",
    product: "20HRCTO1WW",
    family: "ThinkPad X1 Carbon 5th",
    version: "ThinkPad X1",
    sku: "LENOVO_MT_20HR_BU_Think_FM_ThinkPad",
    serial: "PY3DD4X9",
    firmware: { vendor: "Lenovo Ltd.", date: "10/14/2020", version: "N1MET64W (1.49)" },
    chassis: { vendor: "Lenovo Chassis", type: "Notebook", serial: "PY3DCHAS", version: "None" },
    motherboard: {
      vendor: "Lenovo Board",
      product: "20HRBOARD",
      serial: "L3CF4FX003A",
      version: "SDK0J40697 WIN",
    },
  });
});
