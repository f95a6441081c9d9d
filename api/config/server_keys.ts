/** Configuration keys of the server. `effect: "later"`: accepted and kept, without an effect yet. */
import { Fault } from "#base/errors.ts";
import { parseAddress } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { suggest } from "#base/suggest.ts";
import { LEGACY_STORAGE_KEYS } from "./legacy_storage_keys.ts";
import { isFalse, isTrue } from "#base/units.ts";
import { parseMirrors } from "./mirrors.ts";
import { architecture, compression, intValue } from "./instance_checks.ts";

export interface ServerKey {
  readonly type: "string" | "bool" | "int";
  readonly default?: string;
  readonly summary: string;
  /** Shown as true, never its value. */
  readonly isSecret?: true;
  readonly effect?: "later";
  readonly check?: (value: string) => void;
}

const LATER = { effect: "later" } as const;

function number(isAllowed: (value: number) => boolean, want: string) {
  return (value: string) => {
    if (!/^-?\d+$/.test(value) || !isAllowed(Number(value))) throw new Error(`want ${want}`);
  };
}

/** An IP address or a name, and perhaps a port: "127.0.0.1:8443", ":8443", "[::1]". */
function listenAddress(value: string): void {
  const host = value.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const isName = /^[a-z]([a-z0-9.-]*[a-z0-9])?$/i.test(host);
  if (host === "" || isName || parseAddress(host) !== undefined) return;
  throw new Error("want <address>, <address>:<port> or :<port>");
}

function volumePath(value: string): void {
  if (!/^[^/\s]+\/[^/\s]+$/.test(value)) {
    throw new Error("Invalid syntax for volume, must be <pool>/<volume>");
  }
}

function expiryRule(value: string): void {
  if (!/^(\d+[SMHdwmy]\s*)*$/.test(value)) throw new Error("Invalid expiry expression");
}

function addresses(value: string): void {
  for (const one of listOf(value)) {
    if (parseAddress(one) === undefined) throw new Error(`Not a valid network address "${one}"`);
  }
}

const text = (summary: string, more: Partial<ServerKey> = {}): ServerKey => ({
  type: "string",
  summary,
  ...more,
});
const bool = (summary: string, more: Partial<ServerKey> = {}): ServerKey => ({
  type: "bool",
  summary,
  ...more,
});
const int = (summary: string, more: Partial<ServerKey> = {}): ServerKey => ({
  type: "int",
  summary,
  ...more,
});

export const SERVER_KEYS: Readonly<Record<string, ServerKey>> = {
  "backups.compression_algorithm": text("Compression of backups", {
    default: "gzip",
    check: compression,
  }),
  "candid.api.key": text("Public key of the Candid server", LATER),
  "candid.api.url": text("URL of the Candid server: told to clients"),
  "candid.domains": text("Allowed Candid domains", LATER),
  "candid.expiry": int("Seconds a Candid macaroon lives", { default: "3600", ...LATER }),
  "cluster.https_address": text("Address for cluster traffic", LATER),
  "cluster.images_minimal_replica": int("Members that keep a copy of an image", {
    default: "3",
    check: number((count) => count !== 0, "a number of members other than 0"),
    ...LATER,
  }),
  "cluster.join_token_expiry": text("Lifetime of cluster join tokens", {
    default: "3H",
    check: expiryRule,
    ...LATER,
  }),
  "cluster.max_standby": int("Stand-by members of the database", {
    default: "2",
    check: number((count) => count >= 0 && count <= 5, "a number from 0 to 5"),
    ...LATER,
  }),
  "cluster.max_voters": int("Voting members of the database", {
    default: "3",
    check: number((count) => count >= 3 && count % 2 === 1, "an odd number from 3"),
    ...LATER,
  }),
  "cluster.offline_threshold": int("Seconds until a member counts as offline", {
    default: "20",
    check: number((seconds) => seconds > 10, "more than 10 seconds"),
    ...LATER,
  }),
  "core.bgp_address": text("Address of the BGP server", { check: listenAddress, ...LATER }),
  "core.bgp_asn": text("BGP autonomous system number", {
    check: number((id) => id >= 1 && id < 2 ** 32 - 1, "a number from 1 to 4294967294"),
    ...LATER,
  }),
  "core.bgp_routerid": text("BGP router id", {
    check: (value) => {
      if (parseAddress(value)?.family !== 4) throw new Error(`Not an IPv4 address "${value}"`);
    },
    ...LATER,
  }),
  "core.debug_address": text("Address of the debug server", { check: listenAddress, ...LATER }),
  "core.dns_address": text("Address of the DNS server for network zones"),
  "core.https_address": text("Address for clients over the network"),
  "core.https_allowed_credentials": bool("Send Access-Control-Allow-Credentials"),
  "core.https_allowed_headers": text("Access-Control-Allow-Headers"),
  "core.https_allowed_methods": text("Access-Control-Allow-Methods"),
  "core.https_allowed_origin": text("Access-Control-Allow-Origin"),
  "core.https_trusted_proxy": text("Addresses of proxies whose PROXY header counts", {
    check: addresses,
  }),
  "core.metrics_address": text("Address of the metrics server"),
  "core.metrics_authentication": bool("Metrics need a certificate", { default: "true" }),
  "core.proxy_http": text("HTTP proxy for downloads"),
  "core.proxy_https": text("HTTPS proxy for downloads"),
  "core.proxy_ignore_hosts": text("Hosts to reach without the proxy"),
  "core.remote_token_expiry": text("Lifetime of trust tokens", { check: expiryRule }),
  "core.shutdown_timeout": int("Minutes to wait for operations at shutdown", { default: "5" }),
  "core.trust_ca_certificates": bool("Trust clients signed by server.ca"),
  "core.trust_password": text("Password with which clients add themselves", { isSecret: true }),
  "images.auto_update_cached": bool("Refresh cached images", { default: "true" }),
  "images.auto_update_interval": int("Hours between refreshes", { default: "6" }),
  "images.compression_algorithm": text("Compression of published images", {
    // As small as gzip makes it, in a fraction of the time.
    default: "zstd -1",
    check: compression,
  }),
  "images.default_architecture": text("Architecture for images of remotes", {
    check: architecture,
  }),
  // Ours alone.
  "images.mirrors": text("Mirrors of simplestreams servers: SERVER=MIRROR[,MIRROR...] ...", {
    check: parseMirrors,
  }),
  "images.remote_cache_expiry": int("Days until an unused cached image goes", {
    default: "10",
  }),
  "maas.api.key": text("API key for MAAS", { isSecret: true, ...LATER }),
  "maas.api.url": text("URL of the MAAS server", LATER),
  "maas.machine": text("Name of this machine in MAAS", LATER),
  "network.ovn.integration_bridge": text("OVS integration bridge", { default: "br-int", ...LATER }),
  "network.ovn.northbound_connection": text("OVN northbound database", LATER),
  "rbac.agent.private_key": text("RBAC agent private key", { isSecret: true, ...LATER }),
  "rbac.agent.public_key": text("RBAC agent public key", LATER),
  "rbac.agent.url": text("RBAC agent URL", LATER),
  "rbac.agent.username": text("RBAC agent user", LATER),
  "rbac.api.expiry": int("RBAC macaroon expiry", LATER),
  "rbac.api.key": text("RBAC public key", LATER),
  "rbac.api.url": text("RBAC URL", LATER),
  "storage.backups_volume": text("Custom volume that keeps backups: POOL/VOLUME", {
    check: volumePath,
  }),
  "storage.images_volume": text("Custom volume that keeps images: POOL/VOLUME", {
    check: volumePath,
  }),
  ...Object.fromEntries(Object.entries(LEGACY_STORAGE_KEYS).map(([key, { row }]) => [key, row])),
};

/** @throws {Fault} bad_request */
export function checkServerConfig(config: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(config)) {
    const row = SERVER_KEYS[key];
    if (row === undefined) {
      if (key.startsWith("user.") && key.length > 5) continue;
      const near = suggest(key, Object.keys(SERVER_KEYS));
      throw new Fault("bad_request", `cannot set '${key}' to '${value}': unknown key`, {
        hint: near === undefined ? "See the list of server keys." : `Did you mean "${near}"?`,
      });
    }
    if (value === "") continue;
    const problem = typeProblem(row, value);
    if (problem !== undefined) {
      throw new Fault(
        "bad_request",
        `cannot set '${key}' to '${row.isSecret ? "..." : value}': ${problem}`,
      );
    }
  }
}

function typeProblem(row: ServerKey, value: string): string | undefined {
  if (row.type === "bool" && !isTrue(value) && !isFalse(value)) return "invalid boolean";
  try {
    if (row.type === "int") intValue(value);
    row.check?.(value);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}
