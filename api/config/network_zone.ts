/** Network zones: their keys, and the entries of their records. Pure. */
import { Fault } from "#base/errors.ts";
import { parseAddress, parseSubnet } from "#base/ip.ts";
import { boolValue } from "./instance_checks.ts";

export interface ZoneEntry {
  readonly type: string;
  readonly ttl?: number;
  readonly value: string;
}

/** Types of entries that the server writes. */
export const ENTRY_TYPES = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"] as const;
export type EntryType = typeof ENTRY_TYPES[number];

const DOMAIN = /^[A-Za-z0-9_](?:[A-Za-z0-9_/-]*[A-Za-z0-9_])?$/;
const MAX_NAME = 253;
const MAX_LABEL = 63;

/** @throws {Fault} bad_request */
export function checkZoneName(name: string): void {
  const labels = name.split(".");
  const isGood = name.length <= MAX_NAME &&
    labels.every((label) => label.length <= MAX_LABEL && DOMAIN.test(label));
  if (isGood && !name.startsWith("/")) return;
  throw new Fault("bad_request", `Invalid network zone name "${name}"`, {
    hint: "Zones are named as domains: lxd.example.net, 2.0.192.in-addr.arpa",
  });
}

/** At least 64 bits. */
const KEY = /^(?=.{12})(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Keys of a zone: dns.nameservers, network.nat, peers.NAME.address, peers.NAME.key, user.*. */
export function checkZoneConfig(config: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    const wrong = (why: string) =>
      new Fault("bad_request", `Invalid value for network zone option "${key}": ${why}`);
    if (key === "dns.nameservers") {
      for (const one of value.split(",").map((part) => part.trim())) checkZoneName(one);
    } else if (key === "network.nat") {
      boolValue(value);
    } else if (/^peers\.[^.]+\.address$/.test(key)) {
      const isAddress = parseAddress(value) !== undefined || parseSubnet(value) !== undefined;
      if (!isAddress) throw wrong("want an IP address");
    } else if (/^peers\.[^.]+\.key$/.test(key)) {
      if (!KEY.test(value)) throw wrong("want a key in base64, as tsig-keygen writes it");
    } else {
      throw new Fault("bad_request", `Invalid network zone configuration key "${key}"`, {
        hint:
          "There are dns.nameservers, network.nat, peers.NAME.address, peers.NAME.key and user.*.",
      });
    }
  }
}

/** @throws {Fault} bad_request */
export function checkRecordName(name: string): void {
  const labels = name.split(".");
  if (name === "@" || labels.every((label) => label === "*" || DOMAIN.test(label))) return;
  throw new Fault("bad_request", `Invalid network zone record name "${name}"`);
}

/** @throws {Fault} bad_request naming the entry and what is wrong with it. */
export function checkEntries(entries: readonly ZoneEntry[]): void {
  const seen = new Set<string>();
  for (const { type, value } of entries) {
    const wrong = (why: string) =>
      new Fault("bad_request", `Bad zone record entry: ${type} ${value}: ${why}`);
    if (!(ENTRY_TYPES as readonly string[]).includes(type)) {
      throw wrong(`want one of ${ENTRY_TYPES.join(", ")}`);
    }
    const family = type === "A" ? 4 : type === "AAAA" ? 6 : undefined;
    if (family !== undefined && parseAddress(value)?.family !== family) {
      throw wrong(`want an IPv${family} address`);
    }
    if (type === "MX" && !/^\d+ \S+$/.test(value)) throw wrong('want "<preference> <host>"');
    if (type === "SRV" && !/^\d+ \d+ \d+ \S+$/.test(value)) {
      throw wrong('want "<priority> <weight> <port> <host>"');
    }
    if (seen.has(`${type} ${value}`)) throw wrong("it is there twice");
    seen.add(`${type} ${value}`);
  }
}

/** @throws {Fault} bad_request if the keys are none. */
export function checkRecordConfig(config: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(config)) {
    if (key.startsWith("user.") && key.length > 5) continue;
    throw new Fault("bad_request", `Invalid network zone record configuration key "${key}"`);
  }
}
