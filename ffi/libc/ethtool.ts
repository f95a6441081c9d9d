/** What a network driver says of its link. @see <linux/ethtool.h>, <linux/sockios.h> */
import type { Fd } from "#base/brand.ts";
import { OwnedFd } from "./fd.ts";
import { check, libc } from "./open.ts";

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCETHTOOL = 0x8946n;
const NAME_BYTES = 16;
const REQUEST_BYTES = 40;
const TEXT_BYTES = 32;

/** The commands, and how large their structs are. */
const GDRVINFO = { command: 0x03, bytes: 196 };
const GLINK = { command: 0x0a, bytes: 8 };
const GPERMADDR = { command: 0x20, bytes: 8 + TEXT_BYTES };
/** Followed by three bit maps: supported, advertised, advertised by the other end. */
const GLINKSETTINGS = { command: 0x4c, bytes: 48 };
const MOST_WORDS = 127;
const FIRMWARE_AT = 4 + 2 * TEXT_BYTES;

export interface LinkDriver {
  readonly firmware: string;
  /** In hexadecimal with colons; "" if the hardware has none. */
  readonly permanentAddress: string;
  readonly hasLink: boolean;
  /** undefined of a driver without such settings. */
  readonly settings: LinkSettings | undefined;
}

/** `struct ethtool_link_settings`; numbers are those of the header. */
export interface LinkSettings {
  readonly speedMbit: number;
  readonly duplex: number;
  readonly port: number;
  readonly autoNegotiation: boolean;
  readonly transceiver: number;
  /** Numbers of the bits that are set: `ETHTOOL_LINK_MODE_*_BIT`. */
  readonly supported: readonly number[];
}

/** @returns undefined if there is no such interface in this network namespace. */
export function readLinkDriver(name: string): LinkDriver | undefined {
  using socket = new OwnedFd(check(libc().socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), "socket"));
  const link = ask(socket.fd, name, GLINK);
  const driver = ask(socket.fd, name, GDRVINFO);
  const address = ask(socket.fd, name, GPERMADDR, new Uint32Array([TEXT_BYTES]));
  const settings = askSettings(socket.fd, name);
  if ([link, driver, address, settings].every((one) => one === undefined)) return undefined;
  return {
    firmware: driver === undefined ? "" : parseFirmware(driver),
    permanentAddress: address === undefined ? "" : hardwareAddress(address),
    hasLink: link !== undefined && link.getUint32(4, true) === 1,
    settings: settings && parseLinkSettings(settings),
  };
}

/** A struct of the size of `request` with its command first; undefined if the driver refuses. */
function ask(
  socket: Fd,
  name: string,
  request: { readonly command: number; readonly bytes: number },
  more = new Uint32Array(),
): DataView<ArrayBuffer> | undefined {
  const data = new Uint8Array(request.bytes);
  new Uint32Array(data.buffer).set([request.command, ...more]);
  return askWith(socket, name, data) ? new DataView(data.buffer) : undefined;
}

/** `struct ifreq`: the name, then the address of the data. */
function askWith(socket: Fd, name: string, data: Uint8Array<ArrayBuffer>): boolean {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length >= NAME_BYTES) return false;
  const request = new Uint8Array(REQUEST_BYTES);
  request.set(bytes);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(data));
  new DataView(request.buffer).setBigUint64(NAME_BYTES, address, true);
  return libc().ioctl(socket, SIOCETHTOOL, request) === 0;
}

const WORDS_AT = 4 + 4 + 7;

/** The first call says how many words the bit maps have, as a negative number; the second has them. */
function askSettings(socket: Fd, name: string): DataView<ArrayBuffer> | undefined {
  const first = ask(socket, name, GLINKSETTINGS);
  const words = -(first?.getInt8(WORDS_AT) ?? 0);
  if (words <= 0 || words > MOST_WORDS) return undefined;
  const data = new Uint8Array(GLINKSETTINGS.bytes + 3 * words * 4);
  const view = new DataView(data.buffer);
  view.setUint32(0, GLINKSETTINGS.command, true);
  view.setInt8(WORDS_AT, words);
  return askWith(socket, name, data) ? view : undefined;
}

/** Of the struct with its bit maps. Pure. */
export function parseLinkSettings(view: DataView<ArrayBuffer>): LinkSettings {
  const supported: number[] = [];
  for (let bit = 0; bit < view.getInt8(WORDS_AT) * 32; bit++) {
    const word = view.getUint32(GLINKSETTINGS.bytes + (bit >> 5) * 4, true);
    if ((word >>> (bit & 31) & 1) === 1) supported.push(bit);
  }
  return {
    speedMbit: view.getUint32(4, true),
    duplex: view.getUint8(8),
    port: view.getUint8(9),
    autoNegotiation: view.getUint8(11) === 1,
    transceiver: view.getUint8(16),
    supported,
  };
}

/** Of `struct ethtool_drvinfo`: after the command, the driver's name and version. Pure. */
export function parseFirmware(view: DataView<ArrayBuffer>): string {
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, FIRMWARE_AT, TEXT_BYTES));
  return text.split("\0", 1)[0]?.trim() ?? "";
}

function hardwareAddress(view: DataView<ArrayBuffer>): string {
  const length = Math.min(view.getUint32(4, true), TEXT_BYTES);
  const bytes = [...new Uint8Array(view.buffer, 8, length)];
  if (bytes.every((byte) => byte === 0)) return "";
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
