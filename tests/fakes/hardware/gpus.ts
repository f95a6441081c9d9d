/** Graphics cards of the made-up host: of Intel with mediated devices, NVIDIA, with functions, without DRM. */
import { pci, pciPath, virtualFunction } from "./pci.ts";
import { files, link, type Tree } from "./tree.ts";

/** Nodes of a card, as a driver makes them below its device. */
export function drm(device: string, id: number, kinds: Readonly<Record<string, string>>): Tree {
  const nodes = Object.entries(kinds).map(([name, dev]): Tree => ({
    ...files(`${device}/drm/${name}`, { dev }),
    ...link(`${device}/drm/${name}/device`, device),
    ...link(`sys/class/drm/${name}`, `${device}/drm/${name}`),
  }));
  const connector = `card${id}-HDMI-A-1`;
  return Object.assign({
    ...files(`${device}/drm/card${id}/${connector}`, { status: "connected" }),
    ...link(`sys/class/drm/${connector}`, `${device}/drm/card${id}/${connector}`),
  }, ...nodes);
}

const [INTEL, NVIDIA, AMD, AMD_VF, MATROX] = [
  "0000:00:02.0",
  "0000:01:00.0",
  "0000:02:00.0",
  "0000:02:00.1",
  "0000:03:00.0",
] as const;
const UUID = "42200aac-0977-495c-8c9e-6c51b9092a01";
const TYPES = `${pciPath(INTEL)}/mdev_supported_types`;

const mdev: Tree = {
  ...files(`${TYPES}/i915-GVTg_V5_8`, {
    name: "GVTg_V5_8",
    device_api: "vfio-pci",
    available_instances: 2,
    description:
      "low_gm_size: 64MB\nhigh_gm_size: 384MB\nfence: 4\nresolution: 1024x768\nweight: 2",
  }),
  ...link(`${TYPES}/i915-GVTg_V5_8/devices/${UUID}`, `${pciPath(INTEL)}/${UUID}`),
  ...files(`${pciPath(INTEL)}/${UUID}`, { uevent: "" }),
  ...files(`${TYPES}/i915-GVTg_V5_4`, { device_api: "vfio-pci", available_instances: 1 }),
  [`${TYPES}/i915-GVTg_V5_4/devices/`]: "",
};

const nvidia: Tree = {
  ...files(`proc/driver/nvidia/gpus/${NVIDIA}`, {
    information: `Model: \t\t GeForce GT 730\nGPU UUID: \t GPU-6ddadebd\nDevice Minor: \t 0`,
  }),
  "usr/local/bin/nvidia-container-cli": [
    "#!/bin/sh",
    `cat <<'END'`,
    "NVRM version,CUDA version",
    "450.102.04,11.0",
    "",
    "Device Index,Device Minor,Model,Brand,GPU UUID,Bus Location,Architecture",
    "0,0,GeForce GT 730,GeForce,GPU-6ddadebd-dafe-2db9-f10f-125719770fd3,00000000:01:00.0,3.5",
    "END",
    "",
  ].join("\n"),
};

export const gpus: Tree = {
  ...pci(INTEL, {
    class: "0x030000",
    vendor: "0x8086",
    device: "0x5916",
    driver: "i915",
    iommuGroup: 1,
  }),
  ...drm(pciPath(INTEL), 0, { card0: "226:0", renderD128: "226:128", controlD64: "226:64" }),
  ...mdev,
  ...pci(NVIDIA, {
    ...{ class: "0x030000", vendor: "0x10de", device: "0x1287" },
    ...{ driver: "nvidia", version: "450.102.04", node: 1, iommuGroup: 12 },
  }),
  ...drm(pciPath(NVIDIA), 1, { card1: "226:1", renderD129: "226:129" }),
  ...nvidia,
  ...pci(AMD, { class: "0x038000", vendor: "0x1002", device: "0x6929", driver: "gim" }),
  ...files(pciPath(AMD), { sriov_numvfs: 1, sriov_totalvfs: 4 }),
  ...drm(pciPath(AMD), 2, { card2: "226:2", renderD130: "226:130" }),
  ...pci(AMD_VF, { class: "0x038000", vendor: "0x1002", device: "0x692f", driver: "amdgpu" }),
  ...virtualFunction(0, AMD, AMD_VF),
  ...drm(pciPath(AMD_VF), 3, { card3: "226:3", renderD131: "226:131" }),
  ...pci(MATROX, { class: "0x030000", vendor: "0x102b", device: "0x0532", node: -1 }),
};
