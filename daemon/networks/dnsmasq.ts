/** One dnsmasq for each bridge that has addresses; it outlives the daemon. */
import { type HostPath, hostPath, pid as brandPid } from "#base/brand.ts";
import { readIfThere, removeIfThere } from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { openPidfd, signalPidfd } from "#ffi/libc/process.ts";

const SIGHUP = 1;
const SIGTERM = 15;

/**
 * Start dnsmasq; it puts itself into the background. Its pid file is then written anew in LXD's
 * form ("pid: 123"), which scripts read.
 */
export async function startDnsmasq(
  directory: HostPath,
  argv: readonly string[],
  raw: string,
): Promise<void> {
  await Deno.mkdir(`${directory}/dnsmasq.hosts`, { recursive: true, mode: 0o755 });
  await Deno.chmod(directory, 0o711);
  await Deno.writeTextFile(`${directory}/dnsmasq.raw`, raw);
  await Deno.writeTextFile(leasesFile(directory), "", { append: true, mode: 0o644 });
  await run(["dnsmasq", ...argv]);
  const pid = (await Deno.readTextFile(`${directory}/dnsmasq.pid`)).trim();
  const text = `name: dnsmasq\npid: ${pid}\n`;
  await Deno.writeTextFile(`${directory}/dnsmasq.pid.new`, text, { mode: 0o600 });
  await Deno.rename(`${directory}/dnsmasq.pid.new`, `${directory}/dnsmasq.pid`);
}

/** The running dnsmasq of a network: by its pid file, and only if it really is ours. */
export async function findDnsmasq(directory: HostPath): Promise<number | undefined> {
  const text = await readIfThere(`${directory}/dnsmasq.pid`) ?? "";
  const pid = Number(/^(?:pid: )?(\d+)$/m.exec(text)?.[1]);
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const [program = "", ...argv] = await commandLine(pid);
  const isOurs = /(^|\/)dnsmasq$/.test(program) &&
    argv.includes(`--pid-file=${directory}/dnsmasq.pid`);
  return isOurs ? pid : undefined;
}

/** Arguments that the running dnsmasq was started with. */
export async function dnsmasqArguments(pid: number): Promise<string[]> {
  return (await commandLine(pid)).slice(1);
}

async function commandLine(pid: number): Promise<string[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/cmdline`)
    .catch(() => ""); // Ignored: it has ended, before the file was opened or after.
  return text.split("\0").slice(0, -1);
}

/** Returns when it has ended; none is no error. Leases stay. */
export async function stopDnsmasq(directory: HostPath): Promise<void> {
  const pid = await findDnsmasq(directory);
  if (pid !== undefined) {
    using pidfd = openPidfd(brandPid(pid));
    using end = processEnd(brandPid(pid));
    signalPidfd(pidfd.fd, SIGTERM);
    await end.ended;
  }
  await removeIfThere(`${directory}/dnsmasq.pid`);
}

/** Nobody gives out addresses any more. */
export async function forgetLeases(directory: HostPath): Promise<void> {
  await removeIfThere(leasesFile(directory));
}

function leasesFile(directory: HostPath): string {
  return `${directory}/dnsmasq.leases`;
}

/** SIGHUP makes dnsmasq read its hosts again. */
export async function reloadDnsmasq(directory: HostPath): Promise<void> {
  const pid = await findDnsmasq(directory);
  if (pid === undefined) return;
  using pidfd = openPidfd(brandPid(pid));
  signalPidfd(pidfd.fd, SIGHUP);
}

/** User for dnsmasq: "lxd" where there is one, else "nobody". */
export async function dnsmasqUser(): Promise<string> {
  const text = await readIfThere("/etc/passwd") ?? "";
  return /^lxd:/m.test(text) ? "lxd" : "nobody";
}

/** Where its pid file, leases and hosts are. */
export function networkDirectory(root: HostPath, name: string): HostPath {
  return hostPath(`${root}/networks/${name}`);
}
