/** Device nodes: made on the host below devices/<instance>/, bound into the container. */
import { type HostPath, hostPath, type Pid } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { runHelper } from "#daemon/host/helper.ts";
import type { Uevent } from "#daemon/host/uevents.ts";
import { toHost } from "#daemon/idmap/format.ts";
import type { Device } from "./device.ts";

/** A node of the host that a container gets. */
export interface HostNode {
  readonly letter: "b" | "c";
  readonly major: number;
  readonly minor: number;
  /** Where it is inside, absolute. */
  readonly path: string;
}

/** A node that was made, as its file tells. */
interface MadeNode extends HostNode {
  readonly file: HostPath;
}

/** "c 10:200 rwm", a rule of the device cgroup. */
export function accessRule({ letter, major, minor }: HostNode): string {
  return `${letter} ${major}:${minor} rwm`;
}

/** LXD's names: "-" is doubled, "/" becomes "-". Pure. */
function escapeName(text: string): string {
  return text.replaceAll("-", "--").replaceAll("/", "-");
}

/** The inverse. Pure. */
function unescapeName(text: string): string {
  return text.replace(/--|-/g, (match) => match === "--" ? "-" : "/");
}

function filePrefix(device: string): string {
  // No dot of the name may look like the one behind it.
  return `unix.${escapeName(device).replaceAll(".", "%2e")}.`;
}

function fileName(device: string, path: string): string {
  return filePrefix(device) + escapeName(path.replace(/^\/+/, ""));
}

function fileOf({ name, host }: Device, node: HostNode): HostPath {
  return hostPath(`${host.devicesPath()}/${fileName(name, node.path)}`);
}

/** Make the node with the owner and mode that the device asks for. @returns its file. */
export async function makeNode(device: Device, node: HostNode): Promise<HostPath> {
  const { config, host } = device;
  const file = fileOf(device, node);
  await removeIfThere(file);
  // As LXD: no special bits.
  const mode = parseInt(config["mode"] || "0660", 8) & 0o777;
  const args = ["-m", mode.toString(8), "--", file, node.letter];
  const { success, code, stderr } = await new Deno.Command("mknod", {
    args: [...args, `${node.major}`, `${node.minor}`],
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) throw new ExecError(["mknod", ...args], code, new TextDecoder().decode(stderr));
  const uid = toHost(host.idmap, "uid", Number(config["uid"] || 0));
  await Deno.chown(file, uid, toHost(host.idmap, "gid", Number(config["gid"] || 0)));
  return file;
}

/** Nodes of a device that are there now; also those that another daemon made. */
export function madeNodes(device: Device): MadeNode[] {
  const prefix = filePrefix(device.name);
  return readNodes(device).filter(({ file }) => baseName(file).startsWith(prefix));
}

/** Does another device of the instance have a node at the same place inside? The first one stays. */
export function isTaken(device: Device, path: string): boolean {
  const own = fileName(device.name, path);
  return readNodes(device).some((node) => node.path === path && baseName(node.file) !== own);
}

function readNodes(device: Device): MadeNode[] {
  const folder = device.host.devicesPath();
  const nodes: MadeNode[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    const inside = /^unix\.[^.]+\.(.+)$/.exec(name)?.[1];
    const path = inside === undefined ? undefined : `/${unescapeName(inside)}`;
    const file = hostPath(`${folder}/${name}`);
    const numbers = path === undefined ? undefined : statNode(file);
    if (path !== undefined && numbers !== undefined) nodes.push({ ...numbers, path, file });
  }
  return nodes;
}

/** Is there anything at a path of the host, be it a link to nowhere? */
export function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false; // Ignored: not there.
  }
}

/** Type and numbers of a node; undefined if there is none. */
export function statNode(path: string): Omit<HostNode, "path"> | undefined {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
  if (!info.isCharDevice && !info.isBlockDevice) return undefined;
  const device = BigInt(info.rdev ?? 0);
  return {
    letter: info.isBlockDevice ? "b" : "c",
    // gnu_dev_major and gnu_dev_minor of <sys/sysmacros.h>.
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & ~0xffn)),
  };
}

/** Into a running container. Registers the undo of each step. */
export async function plugNode(
  device: Device,
  pid: Pid,
  node: HostNode,
  undo: Undo,
): Promise<void> {
  undo.add(`forbid node ${node.path}`, () => forbidNode(device, node));
  undo.add(`remove node ${node.path}`, () => removeIfThere(fileOf(device, node)));
  const file = await makeNode(device, node);
  await device.host.allowNode(accessRule(node), true);
  if (isTaken(device, node.path)) return;
  const removal = ["umount", String(pid), node.path, "remove"];
  undo.add(`take node ${node.path} out`, () => helper(device, removal));
  await helper(device, ["mount", String(pid), file, node.path, "file"]);
}

/** Out of a running container. Idempotent. */
export async function unplugNode(device: Device, pid: Pid, node: MadeNode): Promise<void> {
  if (!isTaken(device, node.path)) {
    await helper(device, ["umount", String(pid), node.path, "remove"]);
  }
  await removeIfThere(node.file);
  await forbidNode(device, node);
}

/** Programs in the container that listen for devices hear what the kernel told the host. */
export async function tellEvent(device: Device, pid: Pid, event: Uevent): Promise<void> {
  await helper(device, ["uevent", String(pid), ...event]);
}

/** Unless another device of the container has the same. Its file is gone by now. */
async function forbidNode(device: Device, node: HostNode): Promise<void> {
  const isShared = readNodes(device).some((other) => accessRule(other) === accessRule(node));
  if (!isShared) await device.host.allowNode(accessRule(node), false);
}

/** After the container stopped. Idempotent. */
export async function removeNodes(device: Device): Promise<void> {
  for (const { file } of madeNodes(device)) await removeIfThere(file);
}

async function helper(device: Device, args: readonly string[]): Promise<void> {
  try {
    await runHelper(device.services.helper, args);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault(
      "bad_request",
      `cannot ${args[0]} device "${device.name}": ${error.stderrTail.trim()}`,
      { cause: error },
    );
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
