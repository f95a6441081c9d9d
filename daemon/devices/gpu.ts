/** `gpu`: cards of the host with their nodes below /dev/dri; for NVIDIA its own nodes too. */
import { GPU_KEYS } from "#api/config/device_hotplug.ts";
import { Fault } from "#base/errors.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import type { Device, DeviceConfig } from "./device.ts";
import { type HostNode, statNode } from "./node.ts";
import { nodeDevice } from "./node_device.ts";
import { listNames, nodeOfUevent, readSysfs } from "./sysfs.ts";
import { fits } from "./usb.ts";

const OTHER_KINDS: Readonly<Record<string, string>> = {
  mdev: "mediated devices are for virtual machines",
  mig: "MIG needs NVIDIA's container runtime, which this server does not drive",
  sriov: "virtual functions are for virtual machines",
};

export const gpu = nodeDevice({
  type: "gpu",
  validate(name, config) {
    const why = OTHER_KINDS[config["gputype"] ?? ""];
    if (why !== undefined) throw invalidDevice(name, `Unsupported gputype: ${why}`);
    checkDeviceKeys(name, config, GPU_KEYS);
    checkSelection(name, config);
  },
  find: (device) => findRequired(device, "/"),
  isRequired: () => true,
  missing: () => "no graphics card was found",
  watched: () => undefined,
});

/** One way to choose a card, not two. */
function checkSelection(name: string, config: DeviceConfig): void {
  const isSet = (key: string) => (config[key] ?? "") !== "";
  for (const key of ["pci", "id"]) {
    const rival = ["pci", "id", "productid", "vendorid"].find((other) =>
      other !== key && isSet(other)
    );
    if (isSet(key) && rival !== undefined) {
      throw invalidDevice(name, `Cannot use "${rival}" when "${key}" is set`);
    }
  }
}

function findRequired(device: Device, root: string): readonly HostNode[] {
  const nodes = findGpu(device.config, root);
  const { id = "", pci = "", vendorid = "" } = device.config;
  if (nodes.length === 0 && (id !== "" || pci !== "" || vendorid !== "")) {
    throw new Fault(
      "bad_request",
      `Failed to start device "${device.name}": no such graphics card`,
      {
        hint: "lxc info --resources shows the cards of the host.",
      },
    );
  }
  return nodes;
}

/** @param root "/", or where a test has its sys/ and dev/. */
export function findGpu(config: DeviceConfig, root: string): HostNode[] {
  const nodes: HostNode[] = [];
  const classes = `${root}/sys/class/drm`.replace("//", "/");
  let hasNvidia = false;
  for (const name of listNames(classes).filter((one) => /^card\d+$/.test(one))) {
    const ids = readSysfs(`${classes}/${name}/device/uevent`);
    const [, vendor = "", product = ""] = /^PCI_ID=(.*):(.*)$/m.exec(ids) ?? [];
    const slot = /^PCI_SLOT_NAME=(.*)$/m.exec(ids)?.[1] ?? "";
    if (!fits(config, vendor, product)) continue;
    if ((config["id"] ?? "") !== "" && name !== `card${config["id"]}`) continue;
    if (!isSlot(config["pci"] ?? "", slot)) continue;
    hasNvidia ||= vendor.toLowerCase() === "10de";
    for (const node of listNames(`${classes}/${name}/device/drm`)) {
      const found = nodeOfUevent(readSysfs(`${classes}/${node}/uevent`), "c");
      if (found !== undefined) nodes.push(found);
    }
  }
  return hasNvidia ? [...nodes, ...nvidiaNodes(`${root}/dev`.replace("//", "/"))] : nodes;
}

function isSlot(wanted: string, slot: string): boolean {
  if (wanted === "") return true;
  const full = wanted.split(":").length === 2 ? `0000:${wanted}` : wanted;
  return full.toLowerCase() === slot.toLowerCase();
}

function nvidiaNodes(dev: string): HostNode[] {
  const nodes: HostNode[] = [];
  for (const name of listNames(dev).filter((one) => one.startsWith("nvidia"))) {
    const found = statNode(`${dev}/${name}`);
    if (found !== undefined) nodes.push({ ...found, path: `/dev/${name}` });
  }
  return nodes;
}
