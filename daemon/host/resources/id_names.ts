/** Names of vendors and products, if the host has the lists of pciutils or usbutils. @see pci.ids(5) */
import type { HostFiles } from "./host_files.ts";

const PCI_LISTS = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"];
const USB_LISTS = ["/usr/share/hwdata/usb.ids", "/usr/share/misc/usb.ids"];

/** Cost: reads a file of a megabyte. */
export const pciNames = async (host: HostFiles) => new IdNames(await readList(host, PCI_LISTS));
/** Cost: reads a file of some 700 kB. */
export const usbNames = async (host: HostFiles) => new IdNames(await readList(host, USB_LISTS));

async function readList(host: HostFiles, paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const text = await host.text(path);
    if (text !== "") return text;
  }
  for (const path of paths) {
    const packed = await host.bytes(`${path}.gz`);
    if (packed.length > 0) return await unpack(packed);
  }
  return "";
}

async function unpack(packed: Uint8Array<ArrayBuffer>): Promise<string> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}

/** Lines `1d6b  Linux Foundation`, below them `\t0002  2.0 root hub`. Looked up, not parsed: there are 35000. */
export class IdNames {
  readonly #text: string;

  constructor(text: string) {
    this.#text = `\n${text}\n`;
  }

  /** "" if nobody knows it. */
  vendor(id: string): string {
    return this.#find(id).name;
  }

  product(vendor: string, id: string): string {
    return this.#below(vendor, id);
  }

  /** Of USB interfaces: two digits each. */
  className(id: string): string {
    return this.#find(`C ${id}`).name;
  }

  subclass(kind: string, id: string): string {
    return this.#below(`C ${kind}`, id);
  }

  #below(owner: string, id: string): string {
    const { block } = this.#find(owner);
    return id === "" ? "" : valueOf(block, `\n\t${id}  `);
  }

  /** A line, and those below it. */
  #find(key: string): { name: string; block: string } {
    const at = key === "" ? -1 : this.#text.indexOf(`\n${key}  `);
    if (at < 0) return { name: "", block: "" };
    const block = /^\n.*(\n(?=[\t#\n]).*)*/.exec(this.#text.slice(at, this.#endOf(at)))?.[0] ?? "";
    return { name: valueOf(block, `\n${key}  `), block };
  }

  /** Where the next line starts that is neither below nor a comment. */
  #endOf(at: number): number {
    let end = this.#text.indexOf("\n", at + 1);
    while (end >= 0 && end + 1 < this.#text.length && "\t#\n".includes(this.#text[end + 1] ?? "")) {
      end = this.#text.indexOf("\n", end + 1);
    }
    return end < 0 ? this.#text.length : end;
  }
}

function valueOf(block: string, key: string): string {
  const at = block.indexOf(key);
  if (at < 0) return "";
  const from = at + key.length;
  const end = block.indexOf("\n", from);
  return block.slice(from, end < 0 ? undefined : end).trim();
}
