/** Network forwards: their fields and what they allow. Pure. */
import { Fault } from "#base/errors.ts";
import { contains, parseAddress, parseSubnet } from "#base/ip.ts";

export interface ForwardPort {
  readonly description: string;
  readonly protocol: string;
  /** "80", "80,90-99" */
  readonly listen_port: string;
  /** As `listen_port`; empty: the same ports. */
  readonly target_port: string;
  readonly target_address: string;
}

export interface Forward {
  readonly listen_address: string;
  readonly description: string;
  readonly config: Readonly<Record<string, string>>;
  readonly ports: readonly ForwardPort[];
}

const MAX_PORT = 65535;

/** "80,90-92" -> [80, 90, 91, 92]. @throws {Fault} bad_request */
export function parsePorts(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first < 1 || last > MAX_PORT || last < first) {
      throw new Fault("bad_request", `Invalid port number or range "${part.trim()}"`, {
        hint: "Ports are numbers from 1 to 65535, and ranges of them such as 80-90.",
      });
    }
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Listen port and target port of each. @throws {Fault} bad_request if their numbers differ. */
export function parsePortPairs(
  port: Pick<ForwardPort, "listen_port" | "target_port">,
): (readonly [from: number, to: number])[] {
  const from = parsePorts(port.listen_port);
  if (port.target_port === "") return from.map((one) => [one, one]);
  const to = parsePorts(port.target_port);
  const [only] = to;
  if (to.length === 1 && only !== undefined) return from.map((one) => [one, only]);
  if (to.length !== from.length) {
    throw new Fault("bad_request", "Mismatch between listen port(s) and target port(s) count");
  }
  return from.map((one, index) => [one, to[index] ?? one]);
}

/**
 * @param networkConfig of the network that the forward belongs to.
 * @throws {Fault} bad_request naming what does not fit.
 */
export function checkForward(
  forward: Forward,
  networkConfig: Readonly<Record<string, string>>,
): void {
  const listen = parseAddress(forward.listen_address);
  if (listen === undefined) {
    throw new Fault(
      "bad_request",
      `Failed parsing listen address "${forward.listen_address}"`,
      { hint: "Give an IPv4 or IPv6 address." },
    );
  }
  const subnet = parseSubnet(networkConfig[`ipv${listen.family}.address`] ?? "");
  const requireTarget = (text: string, what: string) => {
    const address = parseAddress(text);
    if (address === undefined) {
      throw new Fault("bad_request", `Invalid ${what} "${text}": Not an IP address`);
    }
    if (address.family !== listen.family) {
      throw new Fault("bad_request", `Cannot mix IP versions in listen address and ${what}`);
    }
    if (subnet !== undefined && !contains(subnet, address.family, address.value)) {
      throw new Fault("bad_request", `The ${what} is not within the network subnet`);
    }
  };
  const fallback = forward.config["target_address"] ?? "";
  for (const key of Object.keys(forward.config)) {
    if (key === "target_address" || key.startsWith("user.")) continue;
    throw new Fault("bad_request", `Invalid option "${key}"`, {
      hint: "A forward has target_address and user.* keys.",
    });
  }
  if (fallback !== "") requireTarget(fallback, "default target address");
  const taken = new Set<string>();
  for (const [index, port] of forward.ports.entries()) {
    const wrong = (why: string) =>
      new Fault("bad_request", `${why} in port specification ${index}`);
    if (!["tcp", "udp"].includes(port.protocol)) throw wrong(`Invalid port protocol`);
    requireTarget(port.target_address, "target address");
    if (port.target_address === fallback) {
      throw wrong(`Target address is same as the default target address`);
    }
    for (const [from] of parsePortPairs(port)) {
      const key = `${port.protocol} ${from}`;
      if (taken.has(key)) {
        throw wrong(`Duplicate listen port ${from} for protocol "${port.protocol}"`);
      }
      taken.add(key);
    }
  }
}
