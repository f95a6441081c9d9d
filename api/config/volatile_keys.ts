/** Keys under volatile.: state that the daemon keeps for itself in an instance's configuration. */
import { anyValue, boolValue, type Check, intValue, uuidValue, wordOf } from "./instance_checks.ts";

export interface VolatileKey {
  readonly check: Check;
  readonly summary: string;
  /** Kept when a client's PUT leaves it out, refused when it changes it. */
  readonly isFixed?: true;
}

export const VOLATILE_KEYS: Readonly<Record<string, VolatileKey>> = {
  "volatile.apply_template": {
    check: wordOf("create", "copy", "rename", ""),
    summary: "Templates to apply at the next start",
  },
  "volatile.apply_nvram": { check: boolValue, summary: "Make the UEFI variables again" },
  "volatile.base_image": { check: anyValue, summary: "Fingerprint of the image it was made from" },
  "volatile.cloud-init.instance-id": { check: anyValue, summary: "instance-id for cloud-init" },
  "volatile.evacuate.origin": { check: anyValue, summary: "Cluster member it was evacuated from" },
  "volatile.idmap.base": { check: intValue, summary: "First id of its map", isFixed: true },
  "volatile.idmap.current": { check: anyValue, summary: "Id map in use, as JSON", isFixed: true },
  "volatile.idmap.next": {
    check: anyValue,
    summary: "Id map of the next start, as JSON",
    isFixed: true,
  },
  "volatile.idmap.shifting": {
    check: anyValue,
    summary: "Id map that files on disk are being shifted to",
    isFixed: true,
  },
  "volatile.last_state.idmap": {
    check: anyValue,
    summary: "Id map of the files on disk",
    isFixed: true,
  },
  "volatile.last_state.power": {
    check: anyValue,
    summary: "RUNNING or STOPPED when the daemon saw it last",
  },
  "volatile.move_of": {
    check: anyValue,
    summary:
      "Id and name of what it takes the place of: a move that a crash cut off is finished or undone",
    isFixed: true,
  },
  "volatile.rebuild": {
    check: anyValue,
    summary: "How far a rebuild has come: one that a crash cut off is finished or taken back",
    isFixed: true,
  },
  "volatile.rename_to": {
    check: anyValue,
    summary: "Name that it is being given: a rename that a crash cut off is taken back",
    isFixed: true,
  },
  "volatile.uuid": { check: uuidValue, summary: "UUID of the instance", isFixed: true },
  "volatile.vsock_id": { check: anyValue, summary: "vsock id of a virtual machine" },
};

/** Of Ethernet, or the longer ones of InfiniBand: with another one no nic starts. */
export const hardwareAddress: Check = (value) => {
  if (!/^([0-9a-f]{2}:){5,19}[0-9a-f]{2}$/i.test(value)) {
    throw new Error(`invalid value "${value}": want a MAC address`);
  }
};

/** volatile.<device>.<one of these> is true of a running nic only. */
export const RUNNING_NIC_SUFFIXES: readonly string[] = [
  "host_name",
  "last_state.created",
  "last_state.hwaddr",
  "last_state.mtu",
  "last_state.vf.hwaddr",
  "last_state.vf.id",
  "last_state.vf.parent",
  "last_state.vf.spoofcheck",
  "last_state.vf.vlan",
];

/** volatile.<device>.<one of these> */
export const VOLATILE_DEVICE_SUFFIXES: readonly string[] = [
  "apply_quota",
  ...RUNNING_NIC_SUFFIXES,
  "ceph_rbd",
  "hwaddr",
  "id",
  "name",
  "mtu",
  "created",
  "driver",
  "spoofcheck",
  "vlan",
  "last_state.pci.driver",
  "last_state.pci.slot.name",
];
