/** The records of a zone: those of the networks that use it, and those that were added by hand. Pure. */
import { ENTRY_TYPES, type ZoneEntry } from "#api/config/network_zone.ts";
import { parseAddress } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { isFalse, isTrue } from "#base/units.ts";
import type { Lease } from "#daemon/networks/leases.ts";
import { type ResourceRecord, reverseName } from "./message.ts";

const TTL = 300;

export interface ZoneInput {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  readonly records: readonly { readonly name: string; readonly entries: readonly ZoneEntry[] }[];
  readonly networks: readonly {
    readonly config: Readonly<Record<string, string>>;
    readonly leases: readonly Lease[];
  }[];
  /** Grows with every change. */
  readonly serial: number;
}

/** All of it, with the SOA record first and last, as a transfer has it. */
export function zoneRecords(zone: ZoneInput): ResourceRecord[] {
  const servers = listOf(zone.config["dns.nameservers"]);
  const soa: ResourceRecord = {
    name: zone.name,
    type: "SOA",
    ttl: 3600,
    value: `${servers[0] ?? zone.name} ${servers[0] ?? zone.name} ${zone.serial} 120 60 86400 30`,
  };
  return [
    soa,
    ...servers.map((value): ResourceRecord => ({ name: zone.name, type: "NS", ttl: TTL, value })),
    ...distinct(zone.networks.flatMap(({ config, leases }) => ofNetwork(zone, config, leases))),
    ...zone.records.flatMap(({ name, entries }) => ofRecord(zone.name, name, entries)),
    soa,
  ];
}

function ofNetwork(
  zone: ZoneInput,
  config: Readonly<Record<string, string>>,
  leases: readonly Lease[],
): ResourceRecord[] {
  const showsHidden = !isFalse(zone.config["network.nat"]);
  const visible = leases.filter(({ address, hostname }) => {
    const family = parseAddress(address)?.family;
    const isHidden = family !== undefined && isTrue(config[`ipv${family}.nat`]);
    return hostname !== "" && family !== undefined && (showsHidden || !isHidden);
  });
  if (config["dns.zone.forward"] === zone.name) {
    return visible.map(({ hostname, address }) => ({
      name: `${hostname}.${zone.name}`,
      type: parseAddress(address)?.family === 6 ? "AAAA" : "A",
      ttl: TTL,
      value: address,
    }));
  }
  const forward = config["dns.zone.forward"] ?? "";
  return visible.map(({ hostname, address }): ResourceRecord => ({
    name: reverseName(address),
    type: "PTR",
    ttl: TTL,
    value: forward === "" ? hostname : `${hostname}.${forward}`,
  })).filter(({ name }) => name.endsWith(`.${zone.name}`));
}

function ofRecord(zone: string, name: string, entries: readonly ZoneEntry[]): ResourceRecord[] {
  return entries.flatMap(({ type, ttl, value }) => {
    const known = ENTRY_TYPES.find((one) => one === type);
    const full = name === "@" ? zone : `${name}.${zone}`;
    return known === undefined ? [] : [{ name: full, type: known, ttl: ttl || TTL, value }];
  });
}

function distinct(records: readonly ResourceRecord[]): ResourceRecord[] {
  const seen = new Set<string>();
  return records.filter(({ name, type, value }) => {
    const key = `${name} ${type} ${value}`;
    return !seen.has(key) && seen.add(key);
  });
}
