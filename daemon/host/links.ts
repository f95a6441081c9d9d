/** Interfaces of the host, as ip(8) and sysfs tell of them. */
import { ExecError } from "#base/errors.ts";
import { run } from "./run.ts";

/** In the daemon's network namespace. */
export async function linkExists(name: string): Promise<boolean> {
  return await Deno.stat(`/sys/class/net/${name}`).then(() => true, () => false);
}

/** What ip(8) and tc(8) say of what is not there (any more). */
const GONE = /No such|Cannot (find|delete)|does not exist|Invalid handle/i;

/** Did ip(8) or tc(8) fail because what it was asked about is not there? */
function isGone(error: unknown): boolean {
  return error instanceof ExecError && GONE.test(error.stderrTail);
}

/** Change or remove something by ip(8) or tc(8), if it is there. @throws {ExecError} if it stays. */
export async function runUnlessGone(argv: readonly string[]): Promise<void> {
  try {
    await run(argv);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

export async function removeLink(name: string): Promise<void> {
  if (await linkExists(name)) await runUnlessGone(["ip", "link", "delete", "dev", name]);
}

/** Ports of a bridge; none if it is no bridge. */
export async function portsOf(bridge: string): Promise<string[]> {
  const ports = await Array.fromAsync(Deno.readDir(`/sys/class/net/${bridge}/brif`))
    .catch(() => []); // Ignored: it is no bridge.
  return ports.map(({ name }) => name);
}

export interface IpAddress {
  readonly family: string;
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
}

/** What `ip -json` says of a link; more fields with -details and -statistics. */
export interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly address?: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly link?: string;
  readonly addr_info?: readonly IpAddress[];
  readonly stats64?: Readonly<Record<"rx" | "tx", Readonly<Record<string, number>>>>;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Record<string, unknown> };
}

export interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
}

/** Lines of `ip -json ...`. @throws {ExecError} */
export async function ipJson<T>(...argv: string[]): Promise<T[]> {
  return await ipJsonWithin<T>([], ...argv);
}

/** The same by a program that goes elsewhere first: nsenter(1). */
export async function ipJsonWithin<T>(enter: readonly string[], ...argv: string[]): Promise<T[]> {
  return JSON.parse(await run([...enter, "ip", "-json", ...argv]) || "[]") as T[];
}

/** Lines for ip(8), in order; the first that fails ends it. */
export async function ipBatch(lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await run(["ip", "-batch", "-"], { stdin: lines.join("\n") + "\n" });
}

/** @param path below /proc/sys, e.g. "net/ipv6/conf/lxdbr0/accept_ra". */
export async function writeSysctl(path: string, value: string): Promise<void> {
  try {
    await Deno.writeTextFile(`/proc/sys/${path}`, value, { create: false });
  } catch (error) {
    // Ignored: a kernel without IPv6 has no such file.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
