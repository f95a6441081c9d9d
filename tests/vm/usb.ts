/**
 * QEMU's monitor, on a port of the VM: the test plugs USB devices into the machine that it runs on.
 *
 * @see QEMU: docs/interop/qmp-spec.txt
 */
import { must } from "#tests/world/run.ts";

const MODULES = [
  "virtio_console",
  "xhci_pci",
  "usb_storage",
  "sd_mod",
  "ftdi_sio",
  "usbhid",
  "uhid",
  "hid_generic",
];

const RETRIES = 20;
const RETRY_MS = 200;

/** What can be plugged in: QEMU's driver with its options, and the ids that it shows. */
export const HARDWARE = {
  /** Has a node of a disk. */
  stick: {
    options: { driver: "usb-storage", drive: "stick" },
    vendorid: "46f4",
    productid: "0001",
  },
  /** Has a node of a serial line. */
  line: {
    options: { driver: "usb-serial", chardev: "line", "always-plugged": true },
    vendorid: "0403",
    productid: "6001",
  },
  /** Has nodes of an input device. */
  tablet: { options: { driver: "usb-tablet" }, vendorid: "0627", productid: "0001" },
} as const;

export type Hardware = keyof typeof HARDWARE;

export class UsbPorts implements Disposable {
  readonly #port: Deno.FsFile;
  readonly #plugged = new Set<Hardware>();
  #text = "";

  private constructor(port: Deno.FsFile) {
    this.#port = port;
  }

  /** @throws where the machine has no such port. */
  static async open(): Promise<UsbPorts> {
    await must(["modprobe", "-a", ...MODULES]);
    const ports = [...Deno.readDirSync("/sys/class/virtio-ports")].map(({ name }) => name);
    const port = ports.find((name) =>
      Deno.readTextFileSync(`/sys/class/virtio-ports/${name}/name`).trim() === "monitor"
    );
    if (port === undefined) throw new Error("QEMU's monitor is on no port");
    const usb = new UsbPorts(await Deno.open(`/dev/${port}`, { read: true, write: true }));
    // Refused by a monitor that is in use already.
    await usb.#ask("qmp_capabilities", {}).catch(() => undefined);
    return usb;
  }

  get plugged(): readonly Hardware[] {
    return [...this.#plugged];
  }

  /** Its node comes a moment later. */
  async plug(name: Hardware): Promise<void> {
    const options = { ...HARDWARE[name].options, id: name, bus: "usb.0" };
    // QEMU lets go of what was unplugged a moment later.
    for (let left = RETRIES; left > 0; left--) {
      try {
        await this.#ask("device_add", options);
        break;
      } catch (error) {
        if (left === 1) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#plugged.add(name);
  }

  async unplug(name: Hardware): Promise<void> {
    await this.#ask("device_del", { id: name });
    this.#plugged.delete(name);
  }

  async #ask(execute: string, args: object): Promise<void> {
    const question = `${JSON.stringify({ execute, arguments: args })}\n`;
    await this.#port.write(new TextEncoder().encode(question));
    for (;;) {
      const { return: result, error } = JSON.parse(await this.#line());
      if (error !== undefined) throw new Error(`QEMU: ${question}${error.desc}`);
      // Else a greeting or an event.
      if (result !== undefined) return;
    }
  }

  async #line(): Promise<string> {
    const buffer = new Uint8Array(4096);
    while (!this.#text.includes("\n")) {
      const count = await this.#port.read(buffer);
      this.#text += new TextDecoder().decode(buffer.subarray(0, count ?? 0));
    }
    const [line = "", ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line;
  }

  [Symbol.dispose](): void {
    this.#port.close();
  }
}

const UHID_CREATE2 = 11;
const BUS_BLUETOOTH = 5;
/** Bytes that mean nothing to the kernel: hidraw is all that takes them. @see HID 1.11, 6.2.2 */
const REPORTS = [6, 0, 255, 9, 1, 161, 1, 21, 0, 38, 255, 0, 117, 8, 149, 8, 9, 1, 129, 2, 192];

/** A HID device on no USB, as of Bluetooth; it is there until the file is closed. @see linux/uhid.h */
export async function plugHid(vendor: number, product: number): Promise<Deno.FsFile> {
  const message = new DataView(new ArrayBuffer(280 + REPORTS.length));
  message.setUint32(0, UHID_CREATE2, true);
  new Uint8Array(message.buffer).set(new TextEncoder().encode("pad"), 4);
  message.setUint16(260, REPORTS.length, true);
  message.setUint16(262, BUS_BLUETOOTH, true);
  message.setUint32(264, vendor, true);
  message.setUint32(268, product, true);
  new Uint8Array(message.buffer).set(REPORTS, 280);
  const file = await Deno.open("/dev/uhid", { read: true, write: true });
  await file.write(new Uint8Array(message.buffer));
  return file;
}
