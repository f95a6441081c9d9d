/** Samples, medians, memory and request rates. */
import { must } from "#tests/world/run.ts";

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

export interface Repeat {
  readonly times: number;
  /** Not measured. */
  readonly before?: (index: number) => Promise<unknown>;
  readonly after?: (index: number) => Promise<unknown>;
}

/** Milliseconds of each call. */
export async function timed(
  { times, before, after }: Repeat,
  action: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < times; index++) {
    await before?.(index);
    try {
      const started = performance.now();
      await action(index);
      samples.push(performance.now() - started);
    } finally {
      await after?.(index);
    }
  }
  return samples;
}

/** Resident kilobytes of a process, the libraries that it shares included. */
export async function residentKb(pid: number): Promise<number> {
  return await field(`/proc/${pid}/status`, "VmRSS");
}

/** Kilobytes of a process, shared pages divided among those who share them. */
export async function proportionalKb(pid: number): Promise<number> {
  return await field(`/proc/${pid}/smaps_rollup`, "Pss");
}

async function field(path: string, name: string): Promise<number> {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(await Deno.readTextFile(path));
  if (match === null) throw new Error(`${path} has no ${name}`);
  return Number(match[1]);
}

/** The monitors of a daemon's running containers, by the name that liblxc gives them. */
export async function monitorsOf(directory: string): Promise<number[]> {
  const listed = await must(["ps", "-eo", "pid=,args="]);
  return listed.split("\n").filter((line) => line.includes(`[lxc monitor] ${directory}/`))
    .map((line) => Number.parseInt(line));
}

/** Of all processes in the daemon's network: itself, monitors, helpers, dnsmasq; no container's. */
export async function hostSideKb(daemon: number): Promise<number> {
  const net = await Deno.readLink(`/proc/${daemon}/ns/net`);
  let total = 0;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end while it is looked at.
    const other = await Deno.readLink(`/proc/${name}/ns/net`).catch(() => "");
    if (other === net) total += await proportionalKb(Number(name)).catch(() => 0);
  }
  return total;
}

/** Requests per second of one client on one connection. */
export async function requestRate(socket: string, path: string, forMs: number): Promise<number> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const request = async () => {
    const response = await fetch(`http://daemon${path}`, { client });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`GET ${path}: ${response.status}`);
  };
  await request();
  const started = performance.now();
  let count = 0;
  while (performance.now() - started < forMs) {
    await request();
    count++;
  }
  return count / ((performance.now() - started) / 1000);
}
