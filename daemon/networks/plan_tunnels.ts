/** Tunnels of a bridge: `tunnel.NAME.*` -> links that become ports of it. Pure. */

export interface Tunnel {
  /** Name of the link: "<network>-<tunnel>". */
  readonly link: string;
  readonly protocol: "gre" | "vxlan";
  /** Arguments of `ip link add name LINK`. */
  readonly arguments: readonly string[];
}

/** What the outer headers take from an Ethernet frame of 1500 bytes. */
const MTU = { none: 1500, gre: 1400, vxlan: 1450 } as const;

/** By name; those without what their protocol needs are left out. */
export function planTunnels(
  network: string,
  config: Readonly<Record<string, string>>,
): Tunnel[] {
  const names = new Set(
    Object.keys(config).map((key) => /^tunnel\.([^.]+)\./.exec(key)?.[1])
      .filter((name) => name !== undefined),
  );
  return [...names].sort().flatMap((name): Tunnel[] => {
    const get = (key: string) => config[`tunnel.${name}.${key}`] ?? "";
    const link = `${network}-${name}`;
    const protocol = get("protocol");
    if (protocol === "gre") {
      const [local, remote] = [get("local"), get("remote")];
      if (local === "" || remote === "") return [];
      return [{ link, protocol, arguments: ["type", "gretap", "local", local, "remote", remote] }];
    }
    if (protocol !== "vxlan") return [];
    return [{ link, protocol, arguments: vxlan(get) }];
  });
}

function vxlan(get: (key: string) => string): string[] {
  const argv = ["type", "vxlan", "id", get("id") || "1"];
  const [local, remote] = [get("local"), get("remote")];
  if (local !== "" && remote !== "") argv.push("local", local, "remote", remote);
  else {
    argv.push("group", get("group") || "239.0.0.1");
    if (get("interface") !== "") argv.push("dev", get("interface"));
  }
  return [...argv, "dstport", get("port") || "0", "ttl", get("ttl") || "1"];
}

/** MTU of a bridge with these tunnels, unless bridge.mtu says another. */
export function tunnelMtu(tunnels: readonly Tunnel[]): number {
  return Math.min(MTU.none, ...tunnels.map(({ protocol }) => MTU[protocol]));
}
