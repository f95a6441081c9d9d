/** USB devices of the made-up host: a root hub, a disk, a display, a network card, a mouse. */
import { drm } from "./gpus.ts";
import { port } from "./network_cards.ts";
import { driven, pci, pciPath } from "./pci.ts";
import { files, link, type Tree } from "./tree.ts";

const CONTROLLER = "0000:00:14.0";
const HUB = `${pciPath(CONTROLLER)}/usb1`;

export const usbPath = (name: string) => `${HUB}/${name}`;

type Fields = Readonly<Record<string, string | number>>;

function device(name: string, fields: Fields): Tree {
  const at = name === "usb1" ? HUB : usbPath(name);
  return {
    ...files(at, { busnum: 1, speed: 480, ...fields }),
    ...link(`sys/bus/usb/devices/${name}`, at),
    ...link(`${at}/subsystem`, "sys/bus/usb"),
    ...driven(at, "usb", undefined, "usb"),
  };
}

interface InterfaceOptions {
  /** Class, subclass, protocol: in hexadecimal. */
  readonly kind: readonly [string, string, string];
  readonly driver?: string;
  readonly version?: string;
}

function usbInterface(name: string, { kind, driver, version }: InterfaceOptions): Tree {
  const [owner = "", number = "0"] = [name.split(":")[0], name.split(".").at(-1)];
  const at = owner === "1-0" ? `${HUB}/${name}` : `${usbPath(owner)}/${name}`;
  const [bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol] = kind;
  return {
    ...files(at, {
      ...{ bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol },
      bInterfaceNumber: number.padStart(2, "0"),
    }),
    ...link(`${at}/subsystem`, "sys/bus/usb"),
    ...link(`sys/bus/usb/devices/${name}`, at),
    ...(driver === undefined ? {} : driven(at, driver, version, "usb")),
  };
}

export const usbDevices: Tree = {
  ...pci(CONTROLLER, { class: "0x0c0330", vendor: "0x8086", device: "0x9d2f", driver: "xhci_hcd" }),
  ...device("usb1", { idVendor: "1d6b", idProduct: "0002", devnum: 1, bDeviceClass: "09" }),
  ...usbInterface("1-0:1.0", { kind: ["09", "00", "00"], driver: "hub" }),
  ...device("1-2", {
    ...{ idVendor: "0781", idProduct: "5581", devnum: 2, speed: 5000, bDeviceClass: "00" },
    ...{ manufacturer: "SanDisk", product: "Ultra" },
  }),
  ...usbInterface("1-2:1.0", { kind: ["08", "06", "50"], driver: "usb-storage" }),
  ...device("1-3", { idVendor: "17e9", idProduct: "0198", devnum: 3, bDeviceClass: "00" }),
  ...usbInterface("1-3:1.0", { kind: ["ff", "00", "00"], driver: "udl" }),
  ...drm(`${usbPath("1-3")}/1-3:1.0`, 4, { card4: "226:4" }),
  ...device("1-4", { idVendor: "0b95", idProduct: "1790", devnum: 4, bDeviceClass: "ff" }),
  ...usbInterface("1-4:1.0", { kind: ["ff", "ff", "00"], driver: "ax88179_178a", version: "1.2" }),
  ...port(`${usbPath("1-4")}/1-4:1.0`, "hwusb0", 0, "00:16:3e:00:00:04"),
  ...device("1-5", {
    ...{ idVendor: "0557", idProduct: "2221", devnum: 5, speed: 1.5, bDeviceClass: "00" },
    ...{ manufacturer: "ATEN", product: "Hermon USB hidmouse Device" },
  }),
  ...usbInterface("1-5:1.0", { kind: ["03", "01", "02"], driver: "usbhid" }),
  ...usbInterface("1-5:1.1", { kind: ["03", "01", "01"] }),
};
