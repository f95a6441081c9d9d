/** Addresses of network listeners in all of LXD's forms. Pure but for the machine's interfaces. */
import { Fault } from "#base/errors.ts";
import { networkInterfaces } from "node:os";

export interface ListenAddress {
  /** "": all addresses of both families. */
  readonly host: string;
  readonly port: number;
}

/**
 * "[::]:8443", ":8443", "*:8443", "host", "192.0.2.1", "[fe80::1]", "fe80::1".
 *
 * @throws {Fault} bad_request
 */
export function parseAddress(address: string, defaultPort: number): ListenAddress {
  const match =
    /^(?:\[([0-9a-fA-F:.]*)\]|([^:[\]/\s]*)|([0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F.]*))(?::(\d+))?$/
      .exec(address);
  const port = Number(match?.[4] ?? defaultPort);
  if (match === null || port > 65535) {
    throw new Fault("bad_request", `invalid address "${address}"`, {
      hint: `Examples: :${defaultPort}, [::]:${defaultPort}, 192.0.2.1:${defaultPort}`,
    });
  }
  const host = match[1] ?? match[3] ?? match[2] ?? "";
  return { host: host === "*" ? "" : host, port };
}

/** "host:port", an IPv6 host in brackets. */
export function formatAddress({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** "::" takes IPv4 as well, "0.0.0.0" doesn't take IPv6: as LXD does it. */
export function listenOptions({ host, port }: ListenAddress): { host: string; port: number } {
  return { host: host === "" ? "::" : host, port };
}

/** With which addresses clients reach a listener: a wildcard stands for those of the interfaces. */
export function reachableAddresses(address: ListenAddress): string[] {
  const { host, port } = address;
  if (!["", "::", "0.0.0.0"].includes(host)) return [formatAddress(address)];
  const found = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return found
    .filter((one) => !one.internal && !/^(fe80:|169\.254\.)/i.test(one.address))
    .filter((one) => host !== "0.0.0.0" || one.family === "IPv4")
    .map((one) => formatAddress({ host: one.address, port }));
}
