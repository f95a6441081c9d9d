/** Keys of `proxy` devices, and their addresses. Pure. */
import { parseAddress } from "#base/ip.ts";
import type { DeviceKey } from "./device_disk.ts";
import { octalMode } from "./device_unix.ts";
import { boolValue, uint32Value, wordOf } from "./instance_checks.ts";

export const PROXY_KEYS = {
  "bind": {
    check: wordOf("host", "instance", "guest", "container"),
    default: "host",
    summary: "On which side to listen: host or instance",
  },
  "connect": {
    isRequired: true,
    check: (value: string) => void parseProxyAddress(value),
    summary: "Where to connect to: <tcp|udp>:<address>:<ports> or unix:<path|@name>",
  },
  "gid": { check: uint32Value, default: "0", summary: "Group of the unix socket that is made" },
  "listen": {
    isRequired: true,
    check: (value: string) => void parseProxyAddress(value),
    summary: "Where to listen, as `connect`",
  },
  "mode": { check: octalMode, default: "0644", summary: "Mode of the unix socket that is made" },
  "nat": { check: boolValue, default: "false", summary: "By rules of the firewall" },
  "proxy_protocol": {
    check: boolValue,
    default: "false",
    summary: "Tell the server who the client is (HAProxy's PROXY protocol)",
  },
  "security.gid": { check: uint32Value, default: "0", summary: "Group that connects" },
  "security.uid": { check: uint32Value, default: "0", summary: "User that connects" },
  "uid": { check: uint32Value, default: "0", summary: "Owner of the unix socket that is made" },
} as const satisfies Readonly<Record<string, DeviceKey>>;

export interface ProxyAddress {
  readonly type: "tcp" | "udp" | "unix";
  /**
   * IP address, or path or @name of a unix socket; "": every address to listen on, the own one to
   * connect to.
   */
  readonly host: string;
  /** In order; none for unix. */
  readonly ports: readonly number[];
}

const MAX_PORT = 65535;

/** @throws Error saying what is wrong. */
export function parseProxyAddress(text: string): ProxyAddress {
  const [type = "", ...rest] = text.split(":");
  const value = rest.join(":");
  if (type === "unix") {
    const isPath = value.startsWith("/") || value.startsWith("@");
    if (!isPath || value.length < 2) throw new Error("want unix:/path or unix:@name");
    return { type, host: value, ports: [] };
  }
  if (type !== "tcp" && type !== "udp") throw new Error(`Unknown connection type "${type}"`);
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(.*)$/.exec(value);
  if (match === null) throw new Error(`want ${type}:<address>:<ports>`);
  const host = match[1] ?? match[2] ?? "";
  if (host !== "" && parseAddress(host) === undefined) {
    throw new Error(`Not an IP address "${host}"`);
  }
  return { type, host, ports: parsePorts(match[3] ?? "") };
}

function parsePorts(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first < 1 || last > MAX_PORT || last < first) {
      throw new Error(`Invalid port "${part}"`);
    }
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Each socket to listen on, with where it leads. @throws Error if the ports do not pair up. */
export function proxyPairs(
  listen: ProxyAddress,
  connect: ProxyAddress,
): (readonly [from: string, to: string])[] {
  const from = endpoints(listen, "0.0.0.0");
  const to = endpoints(connect, "127.0.0.1");
  const [only = ""] = to;
  if (to.length !== 1 && to.length !== from.length) {
    throw new Error("Mismatch between listen port(s) and connect port(s) count");
  }
  return from.map((one, index) => [one, to.length === 1 ? only : to[index] ?? only]);
}

/** @param unnamed The address that an empty host stands for. */
function endpoints({ type, host, ports }: ProxyAddress, unnamed: string): string[] {
  if (type === "unix") return [`unix:${host}`];
  const address = host.includes(":") ? `[${host}]` : host || unnamed;
  return ports.map((port) => `${type}:${address}:${port}`);
}
