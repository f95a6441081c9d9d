/** Managed networks: brought up, changed, taken down; the hosts that dnsmasq knows. */
import { checkNetworkConfig } from "#api/config/network_keys.ts";
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { LockTable } from "#base/lock.ts";
import { Undo } from "#base/undo.ts";
import type { Database } from "#daemon/db/db.ts";
import { getNetwork, listNetworks, type NetworkRow } from "#daemon/db/networks.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import { inProject, type Paths } from "#daemon/paths.ts";
import { freeV4, freeV6, randomHwaddr } from "./auto_subnet.ts";
import {
  applyLinks,
  applyRules,
  dnsmasqArguments,
  dnsmasqUser,
  findDnsmasq,
  linkExists,
  networkDirectory,
  reloadDnsmasq,
  removeLink,
  removeRules,
  startDnsmasq,
  stopDnsmasq,
  usedSubnets,
} from "./host.ts";
import { hostLine, planNetwork } from "./plan.ts";
import type { Networks } from "./service.ts";

export interface NetworkDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly onError: (what: string, error: unknown) => void;
}

export interface NetworkService extends Networks {
  /** Fill in what `auto` stands for, and defaults of a new bridge. @throws {Fault} bad_request, conflict */
  complete(
    config: Readonly<Record<string, string>>,
    before: Readonly<Record<string, string>> | undefined,
  ): Promise<Record<string, string>>;
  /** Make the host what the configuration says; the old state is restored if it fails. */
  bringUp(
    network: Pick<NetworkRow, "name" | "config">,
    before?: Pick<NetworkRow, "name" | "config">,
  ): Promise<void>;
  takeDown(name: string): Promise<void>;
  directory(name: string): HostPath;
}

export function createNetworks({ paths, db, onError }: NetworkDeps): NetworkService {
  const locks = new LockTable();
  const directory = (name: string) => networkDirectory(paths.root, name);

  const apply = async (network: Pick<NetworkRow, "name" | "config">) => {
    const plan = planNetwork({
      ...network,
      directory: directory(network.name),
      user: await dnsmasqUser(),
    });
    await applyLinks(plan, network.name);
    await applyRules(plan);
    const running = await findDnsmasq(directory(network.name));
    const raw = (network.config["raw.dnsmasq"] ?? "") + "\n";
    const oldRaw = await Deno.readTextFile(`${directory(network.name)}/dnsmasq.raw`).catch(() =>
      ""
    );
    const isSame = running !== undefined && plan.dnsmasq !== undefined && raw === oldRaw &&
      (await dnsmasqArguments(running)).join("\0") === plan.dnsmasq.join("\0");
    if (isSame) return;
    await stopDnsmasq(directory(network.name));
    if (plan.dnsmasq !== undefined) {
      await startDnsmasq(directory(network.name), plan.dnsmasq, raw);
    }
  };

  const takeDown = async (name: string) => {
    await stopDnsmasq(directory(name));
    await removeRules(name);
    await removeLink(name);
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
    complete,
    takeDown,
    async bringUp(network, before) {
      using _turn = await locks.acquire(network.name);
      await using undo = new Undo(onError);
      undo.add(
        "restore network",
        () => before === undefined ? takeDown(network.name) : apply(before),
      );
      await apply(network);
      undo.keep();
    },
    async setHost(network, host) {
      const file = hostFile(directory(network), host);
      await Deno.mkdir(`${directory(network)}/dnsmasq.hosts`, { recursive: true, mode: 0o755 });
      const line = hostLine(host);
      if (await Deno.readTextFile(file).catch(() => "") === line) return;
      await Deno.writeTextFile(file, line, { mode: 0o644 });
      // dnsmasq notices new files of its --dhcp-hostsdir by itself.
    },
    async removeHost(network, host) {
      const existed = await Deno.remove(hostFile(directory(network), host)).then(
        () => true,
        () => false,
      );
      if (existed) await reloadDnsmasq(directory(network));
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
      for (const { name } of await db.read((tx) => listNetworks(tx))) {
        try {
          await takeDown(name);
        } catch (error) {
          onError(`take down network "${name}"`, error);
        }
      }
    },
  };
}

function hostFile(
  directory: HostPath,
  host: { project: string; instance: string; device: string },
): string {
  return `${directory}/dnsmasq.hosts/${inProject(host.project, host.instance)}.${host.device}`;
}

async function complete(
  config: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>> | undefined,
): Promise<Record<string, string>> {
  const next: Record<string, string> = { ...config };
  if (before === undefined) {
    // A new bridge gets addresses and NAT unless it says otherwise.
    for (const key of ["ipv4", "ipv6"]) {
      next[`${key}.address`] ??= "auto";
      if (next[`${key}.address`] === "auto") next[`${key}.nat`] ??= "true";
    }
    next["volatile.bridge.hwaddr"] ??= randomHwaddr();
  }
  checkNetworkConfig(next);
  const isAuto = ["ipv4.address", "ipv6.address"].some((key) => next[key] === "auto");
  const used = isAuto ? await usedSubnets() : [];
  if (next["ipv4.address"] === "auto") next["ipv4.address"] = freeV4(used);
  if (next["ipv6.address"] === "auto") next["ipv6.address"] = freeV6(used);
  return next;
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
