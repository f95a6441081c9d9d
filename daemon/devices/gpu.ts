/** `gpu`: cards of the host with their nodes below /dev/dri; for NVIDIA its own nodes too. */
import { GPU_KEYS, GPU_OTHER_KEYS } from "#api/config/device_hotplug.ts";
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
  validate(name, config, context) {
    const why = OTHER_KINDS[config["gputype"] ?? ""];
    if (why !== undefined) {
      if (context.instance !== undefined) throw invalidDevice(name, `Unsupported gputype: ${why}`);
      return checkOtherKind(name, config);
    }
    checkDeviceKeys(name, config, GPU_KEYS);
    checkSelection(name, config);
  },
  find: (device) => findRequired(device, "/"),
  isRequired: () => true,
  missing: () => "no graphics card was found",
  advice: "Remove the device: lxc info --resources shows the cards of the host.",
  watched: () => undefined,
});

/** A profile may hold what only virtual machines have. */
function checkOtherKind(name: string, { gputype: kind, ...config }: DeviceConfig): void {
  const { gid: _gid, uid: _uid, mode: _mode, ...common } = GPU_KEYS;
  const own = Object.entries(GPU_OTHER_KEYS).filter(([key]) => key.startsWith(kind ?? ""));
  checkDeviceKeys(name, config, { ...common, ...Object.fromEntries(own) });
  const isSet = (key: string) => (config[key] ?? "") !== "";
  if (kind === "mdev" && !isSet("mdev")) {
    throw invalidDevice(name, 'Missing required device option "mdev"');
  }
  if (kind === "mig" && !isSet("mig.uuid") && !(isSet("mig.gi") && isSet("mig.ci"))) {
    throw invalidDevice(name, 'Either "mig.uuid" or both of "mig.gi" and "mig.ci" are needed');
  }
  checkSelection(name, config);
}

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
function findGpu(config: DeviceConfig, root: string): HostNode[] {
  const nodes: HostNode[] = [];
  const cards = chosenCards(config, root);
  for (const { folder } of cards) {
    for (const node of listNames(`${folder}/device/drm`)) {
      const found = nodeOfUevent(readSysfs(`${folder}/device/drm/${node}/uevent`), "c");
      if (found !== undefined) nodes.push(found);
    }
  }
  const dev = `${root}/dev`.replace("//", "/");
  return cards.some(({ isNvidia }) => isNvidia) ? [...nodes, ...nvidiaNodes(dev)] : nodes;
}

/** UUIDs of the NVIDIA cards that a device stands for, as NVIDIA's driver names them. */
export function nvidiaCards(config: DeviceConfig, root: string): string[] {
  const proc = `${root}/proc/driver/nvidia/gpus`.replace("//", "/");
  return chosenCards(config, root).filter(({ isNvidia }) => isNvidia).flatMap(({ slot }) =>
    /^GPU UUID:\s*(\S+)$/m.exec(readSysfs(`${proc}/${slot}/information`))?.[1] ?? []
  );
}

interface Card {
  /** Of the card below /sys/class/drm. */
  readonly folder: string;
  readonly slot: string;
  readonly isNvidia: boolean;
}

function chosenCards(config: DeviceConfig, root: string): Card[] {
  const classes = `${root}/sys/class/drm`.replace("//", "/");
  const cards: Card[] = [];
  for (const name of listNames(classes).filter((one) => /^card\d+$/.test(one))) {
    const ids = readSysfs(`${classes}/${name}/device/uevent`);
    const [, vendor = "", product = ""] = /^PCI_ID=(.*):(.*)$/m.exec(ids) ?? [];
    const slot = /^PCI_SLOT_NAME=(.*)$/m.exec(ids)?.[1] ?? "";
    if (!fits(config, vendor, product)) continue;
    if ((config["id"] ?? "") !== "" && name !== `card${config["id"]}`) continue;
    if (!isSlot(config["pci"] ?? "", slot)) continue;
    cards.push({ folder: `${classes}/${name}`, slot, isNvidia: vendor.toLowerCase() === "10de" });
  }
  return cards;
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
