/**
 * Connections of one side, made on the other. Each device has a process of the C helper: it needs no
 * daemon, and about a third of a megabyte. With `nat` there is none, only rules of the firewall.
 */
import { PROXY_KEYS, proxyPairs } from "#api/config/device_proxy.ts";
import { type Pid, pid as brandPid } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { isTrue } from "#base/units.ts";
import { checkDeviceKeys } from "#daemon/devices/check_keys.ts";
import type { Device, DeviceType } from "#daemon/devices/device.ts";
import { readIfThere, removeIfThere } from "#daemon/host/files.ts";
import { runHelper } from "#daemon/host/helper.ts";
import { inProject } from "#daemon/paths.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { openPidfd, signalPidfd } from "#ffi/libc/process.ts";
import { applyNat, removeNat } from "./nat.ts";
import { hasNewTarget, natTarget, parseProxy, type ProxyWish } from "./wish.ts";

const SIGKILL = 9;

const fileName = (name: string) => name.replaceAll(/[^A-Za-z0-9_-]/g, "_");

const ownerOf = ({ host, name }: Device) =>
  `${inProject(host.project, host.instance)}.${fileName(name)}`;

const pidFile = ({ host, name }: Device) => `${host.devicesPath()}/proxy.${fileName(name)}`;

async function open(device: Device, pid: Pid, undo: Undo): Promise<void> {
  const wish = parseProxy(device.name, device.config);
  if (wish.isNat) {
    undo.add("remove rules", () => removeNat(ownerOf(device)));
    const target = natTarget(device.name, wish, device.host.devices);
    return await applyNat(ownerOf(device), wish, target);
  }
  undo.add("end the proxy", () => end(device));
  try {
    await runHelper(device.services.helper, helperArguments(device, wish, pid));
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault(
      "bad_request",
      `Failed to start device "${device.name}": ${error.stderrTail.trim()}`,
      { cause: error, hint: "Is the address in use, and may it be used there?" },
    );
  }
}

function helperArguments(device: Device, wish: ProxyWish, pid: Pid): string[] {
  const { config } = wish;
  const log = `${device.host.logsPath()}/proxy.${fileName(device.name)}.log`;
  const pairs = proxyPairs(wish.listen, wish.connect);
  return [
    "proxy",
    pidFile(device),
    log,
    String(pid),
    wish.side,
    config["uid"] || "0",
    config["gid"] || "0",
    String(parseInt(config["mode"] || "0644", 8)),
    config["security.uid"] || "0",
    config["security.gid"] || "0",
    isTrue(config["proxy_protocol"]) ? "header" : "plain",
    String(pairs.length),
    ...pairs.flat(),
  ];
}

/** Its process, known by its pid file, and only if it really is ours. */
async function findProcess(device: Device): Promise<number | undefined> {
  const file = pidFile(device);
  const text = await readIfThere(file) ?? "";
  const pid = Number(/^pid: (\d+)$/m.exec(text)?.[1]);
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const line = await Deno.readTextFile(`/proc/${pid}/cmdline`)
    .catch(() => ""); // Ignored: it has ended, before the file was opened or after.
  const argv = line.split("\0");
  return argv[1] === "proxy" && argv[2] === file ? pid : undefined;
}

/** Idempotent; the options may be invalid by now. */
async function end(device: Device): Promise<void> {
  const pid = await findProcess(device);
  if (pid !== undefined) {
    using pidfd = openPidfd(brandPid(pid));
    using ended = processEnd(brandPid(pid));
    signalPidfd(pidfd.fd, SIGKILL);
    await ended.ended;
  }
  await removeIfThere(pidFile(device));
  const listen = device.config["listen"] ?? "";
  const isHostFile = listen.startsWith("unix:/") &&
    ["", "host"].includes(device.config["bind"] ?? "");
  if (isHostFile) await removeSocket(listen.slice("unix:".length));
}

async function removeSocket(path: string): Promise<void> {
  const info = await Deno.lstat(path)
    .catch(() => undefined); // Ignored: the option may be invalid by now.
  if (info?.isSocket === true) await removeIfThere(path);
}

async function close(device: Device): Promise<void> {
  if (isTrue(device.config["nat"])) await removeNat(ownerOf(device));
  await end(device);
}

export const proxy: DeviceType = {
  type: "proxy",
  validate(name, config) {
    checkDeviceKeys(name, config, PROXY_KEYS);
    parseProxy(name, config);
    return Promise.resolve();
  },
  // deno-lint-ignore require-await -- refuses by rejecting
  async start(device, undo) {
    const wish = parseProxy(device.name, device.config);
    // Not before: the address may be given to the nic after the proxy was added, or by another profile.
    if (wish.isNat) natTarget(device.name, wish, device.host.devices);
    return { afterStart: (pid: Pid) => open(device, pid, undo) };
  },
  stop: close,
  plug: open,
  unplug: close,
  leansOn: hasNewTarget,
};
