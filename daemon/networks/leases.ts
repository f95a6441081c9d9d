/** Leases of a network: its gateways, fixed addresses and what dnsmasq gave out. */
import type { HostPath } from "#base/brand.ts";
import { parseSubnet, slaacAddress } from "#base/ip.ts";
import { isTrue } from "#base/units.ts";
import { readIfThere } from "#daemon/host/files.ts";
import type { NicUse } from "./service.ts";

export interface Lease {
  readonly hostname: string;
  readonly hwaddr: string;
  readonly address: string;
  readonly type: "gateway" | "static" | "dynamic";
  readonly location: string;
}

export interface LeaseInput {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  /** Nics of instances on this network. */
  readonly nics: readonly {
    readonly instance: string;
    readonly hwaddr: string;
    readonly ipv4: string | undefined;
    readonly ipv6: string | undefined;
  }[];
  /** Content of dnsmasq.leases. */
  readonly leaseFile: string;
}

/** Pure. */
function listLeases(input: LeaseInput): Lease[] {
  const leases: Lease[] = [];
  for (const key of ["ipv4.address", "ipv6.address"]) {
    const [address] = (input.config[key] ?? "").split("/");
    if (address === undefined || address === "" || address === "none") continue;
    leases.push({
      hostname: `${input.name}.gw`,
      hwaddr: "",
      address,
      type: "gateway",
      location: "",
    });
  }
  const subnet6 = parseSubnet(input.config["ipv6.address"] ?? "");
  const isStateless = subnet6 !== undefined && !isTrue(input.config["ipv6.dhcp.stateful"]);
  for (const nic of input.nics) {
    const one = { hostname: nic.instance, hwaddr: nic.hwaddr, location: "none" };
    for (const address of [nic.ipv4, nic.ipv6]) {
      if (address !== undefined && address !== "none" && address !== "") {
        leases.push({ ...one, address, type: "static" });
      }
    }
    if (isStateless && nic.ipv6 === undefined && nic.hwaddr !== "") {
      leases.push({ ...one, address: slaacAddress(subnet6, nic.hwaddr), type: "dynamic" });
    }
  }
  for (const line of input.leaseFile.split("\n")) {
    const [expiry = "", hwaddr = "", address = "", hostname = ""] = line.split(" ");
    if (!/^\d+$/.test(expiry) || address === "") continue;
    if (leases.some((lease) => lease.address === address)) continue;
    const owner = input.nics.find((nic) => nic.hwaddr === hwaddr);
    const mac = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(hwaddr) ? hwaddr : "";
    leases.push({
      hostname: owner?.instance ?? hostname.replace("*", ""),
      hwaddr: mac,
      address,
      type: "dynamic",
      location: "none",
    });
  }
  return leases;
}

/** "" before the first lease. @see dnsmasq(8), --dhcp-leasefile */
export async function readLeaseFile(directory: HostPath): Promise<string> {
  return await readIfThere(`${directory}/dnsmasq.leases`) ?? "";
}

/** Leases of a managed network as it is now. */
export async function leasesOf(
  network: Pick<LeaseInput, "name" | "config">,
  options: { readonly directory: HostPath; readonly nics: readonly NicUse[] },
): Promise<Lease[]> {
  const nics = options.nics.map(({ instance, hwaddr, config }) => ({
    instance,
    hwaddr,
    ipv4: config["ipv4.address"],
    ipv6: config["ipv6.address"],
  }));
  const { name, config } = network;
  return listLeases({ name, config, nics, leaseFile: await readLeaseFile(options.directory) });
}
