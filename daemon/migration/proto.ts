/**
 * Messages of migrations: protobuf (proto2), as far as servers exchange them to send trees by rsync.
 * Pure. @see https://protobuf.dev/programming-guides/encoding/
 */
import { Fault } from "#base/errors.ts";

type Config = Readonly<Record<string, string>>;

export interface WireSnapshot {
  readonly name: string;
  readonly config: Config;
  readonly devices: Readonly<Record<string, Config>>;
  readonly profiles: readonly string[];
  readonly isEphemeral: boolean;
  readonly architecture: number;
  /** Seconds since 1970; 0 or less: none. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

export const RSYNC_FEATURES = ["xattrs", "delete", "compress", "bidirectional"] as const;
export type RsyncFeature = (typeof RSYNC_FEATURES)[number];

/** How the content goes: files by rsync, or (for a disk) its bytes as they are. */
export const FS = { rsync: 0, blockAndRsync: 4 } as const;

export interface Header {
  /** One of `FS`, or a format of another server's storage driver. */
  readonly fs: number;
  /** Does it say that files have shifted ids? */
  readonly isShifted: boolean;
  readonly snapshotNames: readonly string[];
  readonly snapshots: readonly WireSnapshot[];
  readonly rsync: readonly RsyncFeature[];
  readonly refresh: boolean;
  /** Bytes of a disk; 0: it is none. */
  readonly volumeSize: number;
  readonly indexVersion: number;
}

export interface Control {
  readonly success: boolean;
  readonly message: string;
}

/** What LXD sends for a time that is none (Go's zero time). */
const NEVER = -62_135_596_800n;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Writer {
  readonly #bytes: number[] = [];

  varint(field: number, value: bigint | number | boolean): this {
    this.#raw(BigInt(field << 3));
    this.#raw(BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  bytes(field: number, value: Uint8Array | string): this {
    const data = typeof value === "string" ? encoder.encode(value) : value;
    this.#raw(BigInt(field << 3 | 2));
    this.#raw(BigInt(data.length));
    for (const byte of data) this.#bytes.push(byte);
    return this;
  }

  #raw(value: bigint): void {
    let rest = value;
    while (rest > 127n) {
      this.#bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
  }

  done(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes);
  }
}

/** MigrationHeader, as LXD numbers its fields. */
export function encodeHeader(header: Header): Uint8Array<ArrayBuffer> {
  const writer = new Writer().varint(1, header.fs);
  for (const name of header.snapshotNames) writer.bytes(4, name);
  for (const snapshot of header.snapshots) writer.bytes(5, encodeSnapshot(snapshot));
  const features = new Writer();
  RSYNC_FEATURES.forEach((name, index) => features.varint(index + 1, header.rsync.includes(name)));
  writer.bytes(8, features.done()).varint(9, header.refresh);
  if (header.volumeSize > 0) writer.varint(11, header.volumeSize);
  return writer.varint(13, header.indexVersion).done();
}

function encodeSnapshot(snapshot: WireSnapshot): Uint8Array {
  const writer = new Writer().bytes(1, snapshot.name);
  for (const pair of pairs(snapshot.config)) writer.bytes(2, pair);
  for (const profile of snapshot.profiles) writer.bytes(3, profile);
  writer.varint(4, snapshot.isEphemeral);
  for (const [name, config] of Object.entries(snapshot.devices)) {
    const device = new Writer().bytes(1, name);
    for (const pair of pairs(config)) device.bytes(2, pair);
    writer.bytes(5, device.done());
  }
  const time = (seconds: number) => seconds > 0 ? BigInt(seconds) : NEVER;
  return writer.varint(6, snapshot.architecture).varint(7, false)
    .varint(8, time(snapshot.createdAt)).varint(9, NEVER).varint(10, time(snapshot.expiresAt))
    .done();
}

const pairs = (config: Config) =>
  Object.entries(config).map(([key, value]) => new Writer().bytes(1, key).bytes(2, value).done());

/** MigrationControl: how one side ended; an empty message is left out. */
export function encodeControl({ success, message }: Control): Uint8Array<ArrayBuffer> {
  const writer = new Writer().varint(1, success);
  return (message === "" ? writer : writer.bytes(2, message)).done();
}

type Value = bigint | Uint8Array;
type Fields = ReadonlyMap<number, readonly Value[]>;

/** @throws {Fault} bad_request for what is no message. */
export function decodeHeader(data: Uint8Array): Header {
  const fields = decode(data);
  const features = decode(bytesOf(fields, 8)[0] ?? new Uint8Array());
  return {
    fs: Number(numberOf(fields, 1)),
    isShifted: (fields.get(3) ?? []).length > 0,
    snapshotNames: textsOf(fields, 4),
    snapshots: bytesOf(fields, 5).map(decodeSnapshot),
    rsync: RSYNC_FEATURES.filter((_name, index) => numberOf(features, index + 1) !== 0n),
    refresh: numberOf(fields, 9) !== 0n,
    volumeSize: Math.max(0, Number(BigInt.asIntN(64, numberOf(fields, 11)))),
    indexVersion: Number(numberOf(fields, 13)),
  };
}

function decodeSnapshot(data: Uint8Array): WireSnapshot {
  const fields = decode(data);
  const devices = bytesOf(fields, 5).map(decode).map((device): [string, Config] => [
    textsOf(device, 1)[0] ?? "",
    configOf(device),
  ]);
  return {
    name: textsOf(fields, 1)[0] ?? "",
    config: configOf(fields),
    devices: Object.fromEntries(devices),
    profiles: textsOf(fields, 3),
    isEphemeral: numberOf(fields, 4) !== 0n,
    architecture: Number(numberOf(fields, 6)),
    createdAt: Number(BigInt.asIntN(64, numberOf(fields, 8))),
    expiresAt: Number(BigInt.asIntN(64, numberOf(fields, 10))),
  };
}

function configOf(fields: Fields): Config {
  return Object.fromEntries(
    bytesOf(fields, 2).map(decode).map((pair) => [
      textsOf(pair, 1)[0] ?? "",
      textsOf(pair, 2)[0] ?? "",
    ]),
  );
}

/** @throws {Fault} bad_request */
export function decodeControl(data: Uint8Array): Control {
  const fields = decode(data);
  return { success: numberOf(fields, 1) !== 0n, message: textsOf(fields, 2)[0] ?? "" };
}

const numberOf = (fields: Fields, field: number) => {
  const value = fields.get(field)?.at(-1);
  return typeof value === "bigint" ? value : 0n;
};
const bytesOf = (fields: Fields, field: number) =>
  (fields.get(field) ?? []).filter((value) => typeof value !== "bigint");
const textsOf = (fields: Fields, field: number) =>
  bytesOf(fields, field).map((value) => decoder.decode(value));

function decode(data: Uint8Array): Fields {
  const fields = new Map<number, Value[]>();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = data[at++];
      if (byte === undefined) throw broken();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw broken();
  };
  const take = (length: number) => {
    if (at + length > data.length) throw broken();
    at += length;
    return data.subarray(at - length, at);
  };
  while (at < data.length) {
    const key = Number(varint());
    const field = key >> 3;
    const value = (key & 7) === 0
      ? varint()
      : (key & 7) === 2
      ? take(Number(varint()))
      : (key & 7) === 1
      ? take(8)
      : (key & 7) === 5
      ? take(4)
      : undefined;
    if (value === undefined) throw broken();
    const known = fields.get(field);
    if (known === undefined) fields.set(field, [value]);
    else known.push(value);
  }
  return fields;
}

function broken(): Fault {
  return new Fault("bad_request", "the other server sent a message that can't be understood");
}
