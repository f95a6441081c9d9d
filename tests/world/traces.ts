/** What a daemon and its containers leave in the kernel: compared before and after a test. */
import { must, run } from "./run.ts";

export interface Traces {
  /** Mount points that the daemon sees. */
  readonly mounts: readonly string[];
  /** Interfaces of the daemon's network. */
  readonly interfaces: readonly string[];
  /** Commands of the processes in the daemon's network: monitors, dnsmasq, helpers that do not stay. */
  readonly processes: readonly string[];
  /** Control groups whose name contains `prefix`. */
  readonly cgroups: readonly string[];
}

/** @param prefix Of the names of the test's instances: control groups are shared by all daemons. */
export async function readTraces(pid: number, prefix: string): Promise<Traces> {
  const [mountinfo, links, processes, cgroups] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/mountinfo`),
    must(["nsenter", "-t", `${pid}`, "-n", "ip", "-json", "link"]),
    readProcesses(pid),
    // Others' groups may vanish while it walks: it complains, and finds ours.
    run(["find", "/sys/fs/cgroup", "-type", "d", "-name", `*${prefix}*`]),
  ]);
  const lines = (text: string) => text.split("\n").filter((line) => line !== "").toSorted();
  return {
    mounts: lines(mountinfo).map((line) => line.split(" ")[4] ?? "").toSorted(),
    interfaces: JSON.parse(links).map(({ ifname }: { ifname: string }) => ifname).toSorted(),
    processes: processes.toSorted(),
    cgroups: lines(cgroups.stdout),
  };
}

/**
 * The one that tells the state of all networks lives as long as the daemon, from the first question on; the one
 * that runs programs stays for some seconds after the last.
 */
const STAYS = /\/helper-[0-9a-f]+ (net|exec)$/;

async function readProcesses(daemon: number): Promise<string[]> {
  const net = await Deno.readLink(`/proc/${daemon}/ns/net`);
  const commands: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === daemon) continue;
    // A process may end while it is looked at: one that has ended, and waits for its parent, has no words.
    const other = await Deno.readLink(`/proc/${name}/ns/net`).catch(() => "");
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    const words = command.replaceAll("\0", " ").trim();
    if (other === net && words !== "" && !STAYS.test(words)) commands.push(words);
  }
  return commands;
}
