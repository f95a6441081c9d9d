/** Managed networks: brought up, changed, taken down; the hosts that dnsmasq knows. */
import type { AclRow } from "#api/config/network_acl.ts";
import type { Forward } from "#api/config/network_forward.ts";
import { checkNetworkConfig } from "#api/config/network_keys.ts";
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { parseSubnet } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import { isFalse } from "#base/units.ts";
import type { Database } from "#daemon/db/db.ts";
import { listAcls } from "#daemon/db/network_acls.ts";
import { listForwards } from "#daemon/db/network_forwards.ts";
import { listZones } from "#daemon/db/network_zones.ts";
import { getNetwork, listNetworks, type NetworkRow } from "#daemon/db/networks.ts";
import { effectiveProject, projectName } from "#daemon/db/projects.ts";
import { entries, readIfThere, removeTree } from "#daemon/host/files.ts";
import { linkExists } from "#daemon/host/links.ts";
import { applyRuleset } from "#daemon/host/nft.ts";
import { run } from "#daemon/host/run.ts";
import { inProject, type Paths } from "#daemon/paths.ts";
import { freeV4, freeV6, randomHwaddr } from "./auto_subnet.ts";
import {
  dnsmasqArguments,
  dnsmasqUser,
  findDnsmasq,
  forgetLeases,
  networkDirectory,
  reloadDnsmasq,
  startDnsmasq,
  stopDnsmasq,
} from "./dnsmasq.ts";
import type { NetworkPlan } from "./bridge.ts";
import { applyLinks, removeBridge, removeRules, usedSubnets } from "./host.ts";
import { planNetwork } from "./plan.ts";
import { noteFirewalls } from "./firewall_watch.ts";
import { hostLine } from "./plan_dnsmasq.ts";
import { ZONE_KEYS_OF_NETWORKS } from "./dns/zone_keys.ts";
import { allocateAddress } from "./allocate.ts";
import { readLeaseFile } from "./leases.ts";
import { nicsOn, vlanUsers } from "./nics.ts";
import { releaseLeases } from "./release.ts";
import type { Networks, NicRef, StaticHost } from "./service.ts";

export interface NetworkDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly helper: HostPath;
  readonly onError: (what: string, error: unknown) => void;
}

/** What of a network's row is needed to make the host fit it. */
export type NetworkShape = Pick<NetworkRow, "id" | "projectId" | "name" | "type" | "config">;

/** ACLs and forwards as they are to be, while the database still has the old ones. */
export interface RuleChange {
  readonly acls?: readonly AclRow[];
  readonly forwards?: readonly Forward[];
}

export interface NetworkService extends Networks {
  /**
   * Fill in what `auto` stands for, and defaults of a new bridge; check it all.
   *
   * @throws {Fault} bad_request, conflict
   */
  complete(
    network: Omit<NetworkShape, "id">,
    before: Readonly<Record<string, string>> | undefined,
  ): Promise<Record<string, string>>;
  /** Make the host what the configuration says; the old state is restored if it fails. */
  bringUp(network: NetworkShape, before?: NetworkShape): Promise<void>;
  takeDown(network: Pick<NetworkShape, "name" | "type">): Promise<void>;
  /** Only the firewall rules, with ACLs and forwards as in `change`. */
  refreshRules(network: NetworkShape, change: RuleChange): Promise<void>;
  directory(name: string): HostPath;
}

/** One change of a network at a time. What is on the host outlives the daemon. */
export function createNetworks({ paths, db, helper, onError }: NetworkDeps): NetworkService {
  const locks = new LockTable();
  const directory = (name: string) => networkDirectory(paths.root, name);

  const plan = async (network: NetworkShape, change: RuleChange = {}): Promise<NetworkPlan> => {
    const wanted = listOf(network.config["security.acls"]);
    const [acls, forwards] = await db.read(async (tx) => [
      change.acls ?? (wanted.length === 0 ? [] : await listAcls(tx, network.projectId)),
      change.forwards ?? await listForwards(tx, network.id),
    ]);
    return planNetwork({
      ...network,
      directory: directory(network.name),
      user: await dnsmasqUser(),
      acls: acls.filter(({ name }) => wanted.includes(name)),
      forwards,
    });
  };

  const apply = async (network: NetworkShape) => {
    if (network.type !== "bridge") return await requireParent(network);
    const planned = await plan(network);
    await applyLinks(planned, network.name);
    await applyRuleset(planned.nft);
    await applyDnsmasq(directory(network.name), planned, network.config["raw.dnsmasq"] ?? "");
  };

  const takeDown = async ({ name, type }: Pick<NetworkShape, "name" | "type">) => {
    if (type !== "bridge") return;
    await stopDnsmasq(directory(name));
    try {
      await removeRules(name);
    } finally {
      await removeBridge(name);
    }
  };

  /** DHCP was switched on or off: dnsmasq knows all nics, or has nothing to know. */
  const settleHosts = async (network: NetworkShape, before: NetworkShape) => {
    const isOn = givesOutAddresses(network.config);
    if (isOn === givesOutAddresses(before.config)) return;
    const folder = directory(network.name);
    await removeTree(`${folder}/dnsmasq.hosts`);
    if (!isOn) return;
    const nics = await db.read(async (tx) => {
      const project = await projectName(tx, network.projectId);
      return await nicsOn(tx, { name: network.name, project });
    });
    for (const nic of nics.filter(({ hwaddr }) => hwaddr !== "")) {
      const { config } = nic;
      const addresses = { ipv4: config["ipv4.address"], ipv6: config["ipv6.address"] };
      await writeHost(folder, { ...nic, ...addresses });
    }
    await reloadDnsmasq(folder);
  };

  const find = async (project: string, name: string) =>
    await db.read(async (tx) => {
      const owner = await effectiveProject(tx, project, "networks");
      return await getNetwork(tx, owner.id, name);
    });

  return {
    directory,
    require: find,
    find: (project, name) => find(project, name).catch(ignoreNotFound),
    complete: (network, before) => complete(db, network, before),
    takeDown,
    async bringUp(network, before) {
      using _turn = await locks.acquire(network.name);
      await using undo = new Undo(onError);
      undo.add(
        "restore network",
        () => before === undefined ? takeDown(network) : apply(before),
      );
      await apply(network);
      if (before !== undefined) {
        await releaseExternal(before, network);
        await settleHosts(network, before);
      }
      undo.keep();
      await noteFirewalls({ db, helper }, [network]).catch((error) =>
        onError("look at firewalls", error)
      );
    },
    async refreshRules(network, change) {
      if (network.type !== "bridge") return;
      using _turn = await locks.acquire(network.name);
      await applyRuleset((await plan(network, change)).nft);
    },
    findBridge: (link) =>
      db.read(async (tx) =>
        (await listNetworks(tx)).find(({ name, type }) => type === "bridge" && name === link)
      ),
    nicsOn: (network) => db.read((tx) => nicsOn(tx, network)),
    vlanUsers: (parent, vlan) => db.read((tx) => vlanUsers(tx, parent, vlan)),
    async allocate(network, owner, families) {
      const folder = directory(network.name);
      const taken = await knownAddresses(folder, hostFile(folder, owner));
      const leases = await readLeaseFile(folder);
      const { config } = network;
      const found = families.map((family) =>
        [
          `ipv${family}`,
          allocateAddress({ config, family, hwaddr: owner.hwaddr, leases, taken }),
        ] as const
      );
      return Object.fromEntries(found.filter(([, address]) => address !== undefined));
    },
    async setHost(network, host) {
      const row = (await db.read((tx) => listNetworks(tx))).find(({ name }) => name === network);
      if (row === undefined || !givesOutAddresses(row.config)) return;
      await writeHost(directory(network), host);
    },
    async removeHost(network, host) {
      const folder = directory(network);
      const file = hostFile(folder, host);
      const line = await readIfThere(file);
      if (line === undefined) return;
      await Deno.remove(file);
      await reloadDnsmasq(folder);
      const row = (await db.read((tx) => listNetworks(tx))).find(({ name }) => name === network);
      const server = {
        v4: bridgeAddress(row?.config["ipv4.address"]),
        v6: bridgeAddress(row?.config["ipv6.address"]),
      };
      const [hwaddr = ""] = line.split(",");
      await releaseLeases(await readLeaseFile(folder), server, { hwaddr, name: host.instance });
    },
    async startAll() {
      for (const network of await db.read((tx) => listNetworks(tx))) {
        try {
          await apply(network);
        } catch (error) {
          onError(`bring up network "${network.name}"`, error);
        }
      }
    },
    async stopAll() {
      for (const network of await db.read((tx) => listNetworks(tx))) {
        try {
          await takeDown(network);
        } catch (error) {
          onError(`take down network "${network.name}"`, error);
        }
      }
    },
  };
}

/** Start, restart or stop it; one that fits goes on. */
async function applyDnsmasq(
  directory: HostPath,
  plan: NetworkPlan,
  rawLines: string,
): Promise<void> {
  const running = await findDnsmasq(directory);
  const raw = rawLines + "\n";
  const oldRaw = await readIfThere(`${directory}/dnsmasq.raw`);
  const isSame = running !== undefined && plan.dnsmasq !== undefined && raw === oldRaw &&
    (await dnsmasqArguments(running)).join("\0") === plan.dnsmasq.join("\0");
  if (isSame) return;
  await stopDnsmasq(directory);
  if (plan.dnsmasq !== undefined) await startDnsmasq(directory, plan.dnsmasq, raw);
  if (plan.dnsmasq?.some((one) => one.startsWith("--dhcp-leasefile")) !== true) {
    await forgetLeases(directory);
  }
}

async function requireParent({ config, name }: NetworkShape): Promise<void> {
  const parent = config["parent"] ?? "";
  if (await linkExists(parent)) return;
  throw new Fault("bad_request", `Parent interface "${parent}" not found`, {
    hint: `Network "${name}" needs it.`,
  });
}

/** Interfaces that are no longer part of the bridge. */
async function releaseExternal(before: NetworkShape, after: NetworkShape): Promise<void> {
  const kept = new Set(listOf(after.config["bridge.external_interfaces"]));
  for (const link of listOf(before.config["bridge.external_interfaces"])) {
    if (kept.has(link) || !await linkExists(link)) continue;
    await run(["ip", "link", "set", "dev", link, "nomaster"]);
  }
}

function hostFile(directory: HostPath, host: NicRef): string {
  const name = `${inProject(host.project, host.instance)}.${host.device.replaceAll("/", "-")}`;
  return `${directory}/dnsmasq.hosts/${name}`;
}

async function writeHost(directory: HostPath, host: StaticHost): Promise<void> {
  const file = hostFile(directory, host);
  await Deno.mkdir(`${directory}/dnsmasq.hosts`, { recursive: true, mode: 0o755 });
  const line = hostLine(host);
  const old = await readIfThere(file);
  if (old === line) return;
  await Deno.writeTextFile(file, line, { mode: 0o644 });
  // dnsmasq notices new files of its --dhcp-hostsdir by itself; of changed ones it keeps the old.
  if (old !== undefined) await reloadDnsmasq(directory);
}

/** Does dnsmasq serve DHCP on the bridge? */
function givesOutAddresses(config: Readonly<Record<string, string>>): boolean {
  return ["ipv4", "ipv6"].some((family) =>
    parseSubnet(config[`${family}.address`] ?? "") !== undefined &&
    !isFalse(config[`${family}.dhcp`])
  );
}

/** The bridge's own address; undefined for "none" and the like. */
function bridgeAddress(text: string | undefined): string | undefined {
  return parseSubnet(text ?? "") === undefined ? undefined : text?.split("/")[0];
}

/** Addresses in dnsmasq.hosts, but for those of one file. */
async function knownAddresses(directory: HostPath, own: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const name of await entries(`${directory}/dnsmasq.hosts`)) {
    const file = `${directory}/dnsmasq.hosts/${name}`;
    if (file === own) continue;
    const text = await readIfThere(file) ?? "";
    for (const part of text.trim().split(",")) found.add(part.replace(/^\[|\]$/g, ""));
  }
  return found;
}

async function complete(
  db: Database,
  network: Omit<NetworkShape, "id">,
  before: Readonly<Record<string, string>> | undefined,
): Promise<Record<string, string>> {
  const { name, type, config, projectId } = network;
  const next: Record<string, string> = { ...config };
  if (type === "bridge" && before === undefined) {
    // A new bridge gets addresses and NAT unless it says otherwise.
    for (const key of ["ipv4", "ipv6"]) {
      next[`${key}.address`] ??= "auto";
      if (next[`${key}.address`] === "auto") next[`${key}.nat`] ??= "true";
    }
  }
  if (type === "bridge") next["volatile.bridge.hwaddr"] ??= randomHwaddr();
  checkNetworkConfig(name, type, next);
  await requireAcls(db, projectId, listOf(next["security.acls"]));
  await requireZones(db, next);
  const isAuto = ["ipv4.address", "ipv6.address"].some((key) => next[key] === "auto");
  const used = isAuto ? await usedSubnets() : [];
  if (next["ipv4.address"] === "auto") next["ipv4.address"] = freeV4(used);
  if (next["ipv6.address"] === "auto") next["ipv6.address"] = freeV6(used);
  return next;
}

async function requireZones(
  db: Database,
  config: Readonly<Record<string, string>>,
): Promise<void> {
  const wanted = ZONE_KEYS_OF_NETWORKS.flatMap((key) => listOf(config[key]));
  if (wanted.length === 0) return;
  const names = (await db.read((tx) => listZones(tx))).map(({ name }) => name);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw new Fault("bad_request", `Network zone "${missing}" does not exist`, {
    hint: `lxc network zone create ${missing}`,
  });
}

async function requireAcls(
  db: Database,
  projectId: number,
  wanted: readonly string[],
): Promise<void> {
  if (wanted.length === 0) return;
  const names = (await db.read((tx) => listAcls(tx, projectId))).map(({ name }) => name);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw new Fault("bad_request", `Network ACL "${missing}" does not exist`, {
    hint: `lxc network acl create ${missing}`,
  });
}

function ignoreNotFound(error: unknown): undefined {
  if (error instanceof Fault && error.kind === "not_found") return undefined;
  throw error;
}

/** @throws {Fault} conflict if the host has an interface of that name. */
export async function refuseTakenName(name: string): Promise<void> {
  if (await linkExists(name)) {
    throw new Fault("bad_request", `Network interface "${name}" exists already on the host`, {
      hint: "Choose another name, or remove the interface.",
    });
  }
}
