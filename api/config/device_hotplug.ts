/** Keys of `unix-hotplug`, `usb`, `gpu`, `tpm`, `infiniband` and `pci` devices. */
import type { DeviceKey } from "./device_disk.ts";
import { octalMode } from "./device_unix.ts";
import {
  boolValue,
  type Check,
  intBetween,
  uint32Value,
  uuidValue,
  wordOf,
} from "./instance_checks.ts";
import { checkInterfaceName } from "./network_keys.ts";

const hexId: Check = (value) => {
  if (!/^[0-9a-f]{4}$/i.test(value)) throw new Error("want four hexadecimal digits");
};
const pciAddress: Check = (value) => {
  if (!/^([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(value)) {
    throw new Error("want a PCI address such as 0000:01:00.0");
  }
};

const migUuid: Check = (value) => uuidValue(value.replace(/^MIG-/, ""));
const infinibandAddress: Check = (value) => {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){7}((:[0-9a-f]{2}){12})?$/i.test(value)) {
    throw new Error("want 8 or 20 bytes in hexadecimal digits, separated by colons");
  }
};

const OWNER = {
  "gid": { check: uint32Value, default: "0", summary: "Owner group inside" },
  "mode": { check: octalMode, default: "0660", summary: "Mode inside" },
  "uid": { check: uint32Value, default: "0", summary: "Owner inside" },
} as const satisfies Record<string, DeviceKey>;

const IDS = {
  "productid": { check: hexId, summary: "Product id" },
  "vendorid": { check: hexId, summary: "Vendor id" },
} as const satisfies Record<string, DeviceKey>;

export const USB_KEYS = {
  ...OWNER,
  ...IDS,
  "required": { check: boolValue, default: "false", summary: "Refuse to start without it" },
} as const satisfies Record<string, DeviceKey>;

export const UNIX_HOTPLUG_KEYS = USB_KEYS;

export const GPU_KEYS = {
  ...OWNER,
  ...IDS,
  "gputype": {
    check: wordOf("physical"),
    default: "physical",
    summary: "Kind: physical, the only one that containers here can have",
  },
  "id": { summary: "Number of the card: /dev/dri/card<id>" },
  "pci": { check: pciAddress, summary: "PCI address of the card" },
} as const satisfies Record<string, DeviceKey>;

export const PCI_KEYS = {
  "address": { check: pciAddress, isRequired: true, summary: "PCI address of the card" },
} as const satisfies Record<string, DeviceKey>;

/** Further options of the kinds of gpu that containers can't have: profiles may hold them. */
export const GPU_OTHER_KEYS = {
  "mdev": { summary: "Profile of a mediated device" },
  "mig.ci": { check: intBetween(0, 255), summary: "Compute instance of MIG" },
  "mig.gi": { check: intBetween(0, 255), summary: "GPU instance of MIG" },
  "mig.uuid": { check: migUuid, summary: "UUID of a MIG device" },
} as const satisfies Record<string, DeviceKey>;

export const TPM_KEYS = {
  "path": { summary: "Path inside of the TPM; a container needs it" },
  "pathrm": { summary: "Path inside of its resource manager; a container needs it" },
} as const satisfies Record<string, DeviceKey>;

export const INFINIBAND_KEYS = {
  "hwaddr": { check: infinibandAddress, summary: "Hardware address" },
  "mtu": { check: intBetween(1280, 16384), summary: "MTU; that of the parent if unset" },
  "name": { check: checkInterfaceName, summary: "Name of the interface inside" },
  "nictype": { check: wordOf("physical", "sriov"), isRequired: true, summary: "Kind" },
  "parent": { isRequired: true, summary: "Interface of the host" },
} as const satisfies Record<string, DeviceKey>;
