/** A made-up host with the hardware that a machine for tests lacks. @see Linux: Documentation/ABI */
import { disks } from "./disks.ts";
import { gpus } from "./gpus.ts";
import { networkCards } from "./network_cards.ts";
import { pci } from "./pci.ts";
import { processors } from "./processors.ts";
import { files, type Tree } from "./tree.ts";
import { usbDevices } from "./usb.ts";

/** Directories that stand in place of the host's; others add to its. */
export const REPLACED = [
  "sys/devices/system/cpu",
  "sys/devices/system/node",
  "sys/devices/system/memory",
  "sys/bus/pci/devices",
  "sys/class/block",
  "sys/devices/pci0000:00",
] as const;

const board: Tree = {
  ...files("sys/class/dmi/id", {
    product_uuid: "7fa1c0cc-2271-11b2-a85c-aab32a05d71a",
    sys_vendor: "LENOVO",
    product_name: "20HRCTO1WW",
    product_family: "ThinkPad X1 Carbon 5th",
    product_version: "ThinkPad X1",
    product_sku: "LENOVO_MT_20HR_BU_Think_FM_ThinkPad",
    product_serial: "PY3DD4X9",
    bios_vendor: "Lenovo Ltd.",
    bios_date: "10/14/2020",
    bios_version: "N1MET64W (1.49)",
    chassis_vendor: "Lenovo Chassis",
    chassis_type: 10,
    chassis_serial: "PY3DCHAS",
    chassis_version: "None",
    board_vendor: "Lenovo Board",
    board_name: "20HRBOARD",
    board_serial: "L3CF4FX003A",
    board_version: "SDK0J40697 WIN",
  }),
};

const ids: Tree = {
  "usr/share/misc/pci.ids": [
    "# a comment",
    "8086  Intel Corporation",
    "\t5916  HD Graphics 620",
    "\t1521  I350 Gigabit Network Connection",
    "\t\t103c 3380  Ethernet 1Gb 4-port 366i Adapter",
    "10de  NVIDIA Corporation",
    "\t1287  GK208B [GeForce GT 730]",
    "15b3  Mellanox Technologies",
    "C 03  Display controller",
    "\t00  VGA compatible controller",
    "",
  ].join("\n"),
  "usr/share/misc/usb.ids": [
    "# a comment",
    "0557  ATEN International Co., Ltd",
    "\t2221  Winbond Hermon",
    "17e9  DisplayLink",
    "\t0198  Rextron USB-VGA",
    "1d6b  Linux Foundation",
    "\t0002  2.0 root hub",
    "C 03  Human Interface Device",
    "\t01  Boot Interface Subclass",
    "\t\t02  Mouse",
    "C 08  Mass Storage",
    "\t06  SCSI",
    "C 09  Hub",
    "",
  ].join("\n"),
};

export const MACHINE: Tree = {
  ...processors,
  ...board,
  ...ids,
  ...pci("0000:00:01.0", {
    class: "0x060400",
    vendor: "0x8086",
    device: "0x1901",
    driver: "pcieport",
  }),
  ...gpus,
  ...networkCards,
  ...disks,
  ...usbDevices,
};
