/** The interview of `lxd init`, in LXD's order: answers -> preseed. Pure but for the asker. */
import { parseAddress, parseSubnet } from "#base/ip.ts";
import type { Asker } from "./asker.ts";
import { poolFolder, type ServerFacts } from "./auto.ts";
import {
  defaultProfile,
  type Keys,
  listenAddress,
  nicOf,
  type Preseed,
  type PreseedNetwork,
  type PreseedPool,
  rootDisk,
} from "./preseed.ts";

export interface Interview {
  readonly preseed: Preseed;
  /** The user wants to see it as YAML. */
  readonly wantsText: boolean;
}

/** @throws for answers that ask for what this server does not have. */
export function interview(ask: Asker, facts: ServerFacts): Interview {
  if (ask.bool("Would you like to use LXD clustering? (yes/no) [default=no]: ", "no")) {
    throw new Error("cannot configure a cluster: this server does not support clustering");
  }
  const pool = askPool(ask, facts);
  if (ask.bool("Would you like to connect to a MAAS server? (yes/no) [default=no]: ", "no")) {
    throw new Error("cannot connect to MAAS: this server does not support it");
  }
  const { network, nic } = askNetwork(ask, facts);
  const config: Record<string, string> = askListen(ask);
  const stale =
    "Would you like stale cached images to be updated automatically? (yes/no) [default=yes]: ";
  if (!ask.bool(stale, "yes")) config["images.auto_update_interval"] = "0";
  const wantsText = ask.bool(
    'Would you like a YAML "lxd init" preseed to be printed? (yes/no) [default=no]: ',
    "no",
  );
  const devices: Record<string, Keys> = {};
  if (nic !== undefined) devices.eth0 = nic;
  if (pool !== undefined) devices.root = rootDisk(pool.name);
  const preseed: Preseed = {
    config,
    networks: network === undefined ? [] : [network],
    storage_pools: pool === undefined ? [] : [pool],
    profiles: Object.keys(devices).length === 0 ? [] : [defaultProfile(devices)],
    projects: [],
  };
  return { preseed, wantsText };
}

function askPool(ask: Asker, facts: ServerFacts): PreseedPool | undefined {
  const wanted = "Do you want to configure a new storage pool? (yes/no) [default=yes]: ";
  if (!ask.bool(wanted, "yes")) return undefined;
  const name = untilFree(ask, {
    question: "Name of the new storage pool [default=default]: ",
    fallback: "default",
    isTaken: (one) => facts.pools.includes(one),
    what: "storage pool",
  });
  const driver = askDriver(ask, facts);
  return { config: askSource(ask, { name, driver }, facts), description: "", name, driver };
}

function askDriver(ask: Asker, facts: ServerFacts): string {
  const drivers = facts.drivers.filter((one) => !one.startsWith("ceph")).toSorted();
  const [only] = drivers;
  if (drivers.length <= 1) return only ?? "dir";
  const preferred = facts.isOnBtrfs ? ["btrfs", "zfs"] : ["zfs", "btrfs"];
  const fallback = preferred.find((one) => drivers.includes(one)) ?? "dir";
  const list = drivers.join(", ");
  const question = `Name of the storage backend to use (${list}) [default=${fallback}]: `;
  return ask.choice(question, drivers, fallback);
}

const GIB = 1024 ** 3;

function askSource(
  ask: Asker,
  { name, driver }: { readonly name: string; readonly driver: string },
  facts: ServerFacts,
): Keys {
  if (driver === "dir") return {};
  if (driver === "btrfs" && facts.isOnBtrfs) {
    const subvolume = "Would you like to create a new btrfs subvolume under the state directory? " +
      "(yes/no) [default=yes]: ";
    if (ask.bool(subvolume, "yes")) return { source: poolFolder(facts, name) };
  }
  const label = driver.toUpperCase();
  if (!ask.bool(`Create a new ${label} pool? (yes/no) [default=yes]: `, "yes")) {
    return { source: ask.text(`Name of the existing ${label} pool or dataset: `) };
  }
  const device = "Would you like to use an existing empty block device (e.g. a disk or " +
    "partition)? (yes/no) [default=no]: ";
  if (ask.bool(device, "no")) return { source: ask.text("Path to the existing block device: ") };
  const size = Math.min(30, Math.max(5, Math.floor(facts.diskBytes / GIB / 5)));
  const question = `Size in GiB of the new loop device (1GiB minimum) [default=${size}GiB]: `;
  const answer = ask.text(question, `${size}`, (text) => {
    const match = /^(\d+)(GiB|GB|G)?$/i.exec(text);
    return match !== null && Number(match[1]) >= 1 ? undefined : "not a size of 1GiB or more";
  });
  return { size: `${Number.parseInt(answer)}GiB` };
}

function askNetwork(
  ask: Asker,
  facts: ServerFacts,
): { network?: PreseedNetwork; nic?: Keys } {
  const create = "Would you like to create a new local network bridge? (yes/no) [default=yes]: ";
  if (!ask.bool(create, "yes")) return askInterface(ask, facts);
  const name = untilFree(ask, {
    question: "What should the new bridge be called? [default=lxdbr0]: ",
    fallback: "lxdbr0",
    isTaken: (one) => facts.networks.includes(one),
    what: "network bridge",
  });
  const config = { ...askAddress(ask, 4), ...askAddress(ask, 6) };
  const network = { config, description: "", name, type: "", project: "default" };
  return { network, nic: nicOf(name) };
}

function askInterface(ask: Asker, facts: ServerFacts): { nic?: Keys } {
  const existing = "Would you like to configure LXD to use an existing bridge or host interface? " +
    "(yes/no) [default=no]: ";
  if (!ask.bool(existing, "no")) return {};
  for (;;) {
    const name = ask.text("Name of the existing bridge or host interface: ");
    if (facts.networks.includes(name)) return { nic: nicOf(name) };
    if (facts.hasInterface(name)) {
      const nictype = facts.hasInterface(`${name}/bridge`) ? "bridged" : "macvlan";
      return { nic: { name: "eth0", nictype, parent: name, type: "nic" } };
    }
    ask.tell("The requested interface doesn't exist. Please choose another one.");
  }
}

function askAddress(ask: Asker, family: 4 | 6): Record<string, string> {
  const question = `What IPv${family} address should be used? ` +
    "(CIDR subnet notation, “auto” or “none”) [default=auto]: ";
  const address = ask.text(question, "auto", (text) => {
    if (text === "auto" || text === "none") return undefined;
    return parseSubnet(text)?.family === family ? undefined : `invalid CIDR address: ${text}`;
  });
  const key = `ipv${family}`;
  if (address === "auto" || address === "none") return { [`${key}.address`]: address };
  const nat = ask.bool(
    `Would you like LXD to NAT IPv${family} traffic on your bridge? [default=yes]: `,
    "yes",
  );
  return { [`${key}.address`]: address, [`${key}.nat`]: String(nat) };
}

function askListen(ask: Asker): Record<string, string> {
  const wanted = "Would you like the LXD server to be available over the network? " +
    "(yes/no) [default=no]: ";
  if (!ask.bool(wanted, "no")) return {};
  const answer = ask.text(
    "Address to bind LXD to (not including port) [default=all]: ",
    "all",
    (text) =>
      text === "all" || parseAddress(text) !== undefined
        ? undefined
        : `not an IP address: "${text}"`,
  );
  const address = answer === "all" ? "::" : answer;
  const port = ask.number("Port to bind LXD to [default=8443]: ", 8443, [1, 65535]);
  const config: Record<string, string> = { "core.https_address": listenAddress(address, port) };
  const password = ask.password("Trust password for new clients");
  if (password !== "") config["core.trust_password"] = password;
  else ask.tell("No password set, client certificates will have to be manually trusted");
  return config;
}

interface FreeName {
  readonly question: string;
  readonly fallback: string;
  readonly isTaken: (name: string) => boolean;
  readonly what: string;
}

function untilFree(ask: Asker, { question, fallback, isTaken, what }: FreeName): string {
  for (;;) {
    const name = ask.text(question, fallback);
    if (!isTaken(name)) return name;
    ask.tell(`The requested ${what} "${name}" already exists. Please choose another name.`);
  }
}
