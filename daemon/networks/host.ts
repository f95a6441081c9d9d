/** The effects of a plan: links by ip(8), rules by nft(8), sysctls, one dnsmasq per network. */
import { type HostPath, hostPath, pid as brandPid } from "#base/brand.ts";
import { parseSubnet, type Subnet } from "#base/ip.ts";
import { run } from "#daemon/host/run.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { openPidfd, signalPidfd } from "#ffi/libc/process.ts";
import { type NetworkPlan, removalRules } from "./plan.ts";

const SIGTERM = 15;

export async function linkExists(name: string): Promise<boolean> {
  return await Deno.stat(`/sys/class/net/${name}`).then(() => true, () => false);
}

/** Names of the host's interfaces. */
export async function hostLinks(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir("/sys/class/net"));
  return entries.map(({ name }) => name).filter((name) => name !== "bonding_masters").toSorted();
}

/** Subnets in use: addresses and routes of the host. */
export async function usedSubnets(): Promise<Subnet[]> {
  const texts: string[] = [];
  for (const family of ["-4", "-6"]) {
    const routes = JSON.parse(
      await run(["ip", family, "-json", "route", "show", "table", "all"]) || "[]",
    );
    texts.push(...routes.map((one: { dst: string }) => one.dst));
  }
  return texts.filter((text) => text !== "default").map((text) =>
    parseSubnet(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`)
  ).filter((subnet) => subnet !== undefined);
}

export async function applyLinks(plan: NetworkPlan, name: string): Promise<void> {
  const lines = plan.links.filter((line, index) => index > 0 || !line.startsWith("link add"));
  if (!await linkExists(name)) await run(["ip", "link", "add", "name", name, "type", "bridge"]);
  for (const [path, value] of plan.sysctls) await writeSysctl(path, value);
  await run(["ip", "-batch", "-"], { stdin: lines.join("\n") + "\n" });
}

async function writeSysctl(path: string, value: string): Promise<void> {
  try {
    await Deno.writeTextFile(`/proc/sys/${path}`, value, { create: false });
  } catch (error) {
    // Ignored: a kernel without IPv6 has no such file.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export async function applyRules(plan: NetworkPlan): Promise<void> {
  await run(["nft", "-f", "-"], { stdin: plan.nft });
}

export async function removeRules(name: string): Promise<void> {
  await run(["nft", "-f", "-"], { stdin: removalRules(name) });
}

export async function removeLink(name: string): Promise<void> {
  if (await linkExists(name)) await run(["ip", "link", "delete", "dev", name]);
}

/** Start dnsmasq; it puts itself into the background and outlives the daemon. */
export async function startDnsmasq(
  directory: HostPath,
  argv: readonly string[],
  raw: string,
): Promise<void> {
  await Deno.mkdir(`${directory}/dnsmasq.hosts`, { recursive: true, mode: 0o755 });
  await Deno.chmod(directory, 0o711);
  await Deno.writeTextFile(`${directory}/dnsmasq.raw`, raw);
  const leases = `${directory}/dnsmasq.leases`;
  await Deno.writeTextFile(leases, "", { append: true, mode: 0o644 });
  await run(["dnsmasq", ...argv]);
}

/** The running dnsmasq of a network: by its pid file, and only if it really is ours. */
export async function findDnsmasq(directory: HostPath): Promise<number | undefined> {
  const text = await Deno.readTextFile(`${directory}/dnsmasq.pid`).catch(() => "");
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const argv = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return /^([^\0]*\/)?dnsmasq\0/.test(argv) && argv.includes(`--pid-file=${directory}/dnsmasq.pid`)
    ? pid
    : undefined;
}

/** Arguments that the running dnsmasq was started with. */
export async function dnsmasqArguments(pid: number): Promise<string[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return text.split("\0").slice(1, -1);
}

export async function stopDnsmasq(directory: HostPath): Promise<void> {
  const pid = await findDnsmasq(directory);
  if (pid === undefined) return;
  using pidfd = openPidfd(brandPid(pid));
  using end = processEnd(brandPid(pid));
  signalPidfd(pidfd.fd, SIGTERM);
  await end.ended;
  await Deno.remove(`${directory}/dnsmasq.pid`).catch(() => undefined);
}

/** SIGHUP makes dnsmasq read its hosts again. */
export async function reloadDnsmasq(directory: HostPath): Promise<void> {
  const pid = await findDnsmasq(directory);
  if (pid === undefined) return;
  using pidfd = openPidfd(brandPid(pid));
  signalPidfd(pidfd.fd, 1);
}

/** User for dnsmasq: "lxd" where there is one, else "nobody". */
export async function dnsmasqUser(): Promise<string> {
  const text = await Deno.readTextFile("/etc/passwd").catch(() => "");
  return /^lxd:/m.test(text) ? "lxd" : "nobody";
}

export function networkDirectory(root: HostPath, name: string): HostPath {
  return hostPath(`${root}/networks/${name}`);
}
