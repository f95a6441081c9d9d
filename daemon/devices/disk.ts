/**
 * `disk`: the root volume, directories and files of the host, custom volumes, block devices. Sources
 * are bound straight into the container: liblxc at a start, the helper's `mount` when it runs.
 */
import { DISK_KEYS } from "#api/config/device_disk.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault, messageOf } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { isFalse, isTrue } from "#base/units.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { runHelper } from "#daemon/host/helper.ts";
import { areIdMountsOff } from "#daemon/host/id_mounts.ts";
import { detach } from "#ffi/libc/mount.ts";
import { changedKeys } from "./changed_keys.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import { bindFromFolder } from "./disk_folder.ts";
import { stageFolder } from "./disk_stage.ts";
import type { Device, DeviceConfig, DeviceStart, DeviceType, ValidateContext } from "./device.ts";

export const disk: DeviceType = {
  type: "disk",
  validate,
  start,
  stop,
  plug,
  unplug,
  // Quota and rates are applied by the instance; anything else needs a new mount.
  update: ({ config }, before) => Promise.resolve(isRoot(config) || isMountSame(before, config)),
};

/** Options that say nothing of the mount. */
const BESIDE_MOUNT = ["boot.priority", "limits.max", "limits.read", "limits.write"];

/** Programs inside may use what is mounted: it stays as long as it can. Pure. */
function isMountSame(before: DeviceConfig, after: DeviceConfig): boolean {
  return changedKeys(before, after)
    .every((key) => BESIDE_MOUNT.includes(key) || key.startsWith("user."));
}

/** What virtual machines get cloud-init's files from. */
const CLOUD_INIT = "cloud-init:config";

function isRoot(config: DeviceConfig): boolean {
  return config["path"] === "/";
}

/** May its source be missing? */
function isOptional(config: DeviceConfig): boolean {
  return isFalse(config["required"]) || isTrue(config["optional"]);
}

async function validate(
  name: string,
  config: DeviceConfig,
  context: ValidateContext,
): Promise<void> {
  checkDeviceKeys(name, config, DISK_KEYS);
  if ((config["required"] ?? "") !== "" && (config["optional"] ?? "") !== "") {
    const why = 'Cannot use both "required" and deprecated "optional" properties at the same time';
    throw invalidDevice(name, why);
  }
  const source = config["source"] ?? "";
  const isOfCeph = /^(ceph|cephfs):/.test(source);
  if (!isOfCeph && (config["ceph.cluster_name"] || config["ceph.user_name"])) {
    const why = "Invalid options ceph.cluster_name/ceph.user_name for source";
    throw invalidDevice(name, `${why} "${source}"`);
  }
  if (isRoot(config)) return await validateRoot(name, config, context);
  if (source === "") {
    throw invalidDevice(name, 'Disk entry is missing the required "source" property');
  }
  if ((config["size"] ?? "") !== "") {
    throw invalidDevice(name, "Only the root disk may have a size quota");
  }
  if ((config["size.state"] ?? "") !== "") {
    throw invalidDevice(name, "Only the root disk may have a migration size quota");
  }
  // Profiles may be shared with virtual machines and with other servers.
  const isElsewhere = isOfCeph || source === CLOUD_INIT || (config["path"] ?? "") === "";
  if (isElsewhere && context.instance === undefined) return;
  if (isOfCeph) throw invalidDevice(name, `source "${source}" is not supported by this server`);
  if (source === CLOUD_INIT) {
    const why = `disks with source=${CLOUD_INIT} are only supported by virtual machines`;
    throw invalidDevice(name, why, "A container gets its user data without a disk.");
  }
  if ((config["path"] ?? "") === "") {
    throw invalidDevice(name, 'Missing required device option "path"');
  }
  const path = (config["path"] ?? "").replace(/^\/+|\/+$/g, "");
  for (const [other, theirs] of Object.entries(context.devices)) {
    if (other === name || theirs["type"] !== "disk") continue;
    if ((theirs["path"] ?? "").replace(/^\/+|\/+$/g, "") === path) {
      throw invalidDevice(name, `More than one disk device uses the same path "${config["path"]}"`);
    }
  }
  if ((config["pool"] ?? "") !== "") return await validateVolume(name, config, context);
  if ((config["recursive"] ?? "") !== "" && await isFile(source)) refuseRecursive(name);
  if (!source.startsWith("/")) {
    throw invalidDevice(name, `source "${source}" is neither an absolute path nor a pool's volume`);
  }
  // A profile may name what only some hosts have.
  if (context.instance === undefined || isOptional(config)) return;
  if (!await exists(source)) {
    throw invalidDevice(name, `Missing source path "${source}" for disk "${name}"`);
  }
}

async function validateRoot(
  name: string,
  config: DeviceConfig,
  context: ValidateContext,
): Promise<void> {
  if ((config["source"] ?? "") !== "") {
    throw invalidDevice(name, 'Root disk entry may not have a "source" property set');
  }
  const pool = config["pool"] ?? "";
  if (pool === "") {
    throw invalidDevice(name, 'Root disk entry must have a "pool" property set');
  }
  refuseOfFolders(name, config);
  await requirePool(name, pool, context);
}

async function validateVolume(
  name: string,
  config: DeviceConfig,
  context: ValidateContext,
): Promise<void> {
  if ((config["source"] ?? "").startsWith("/")) {
    throw invalidDevice(name, "Storage volumes cannot be specified as absolute paths");
  }
  refuseOfFolders(name, config);
  const [pool = "", source = ""] = [config["pool"], config["source"]];
  await requirePool(name, pool, context);
  // What came along from elsewhere may lack its volume until it starts.
  if (context.instance === undefined || context.mustBeUnique?.has(name) !== true) return;
  try {
    await context.services.storage.checkCustom({ pool, name: source }, context.project);
  } catch (error) {
    const hint = error instanceof Fault ? error.hint : undefined;
    throw invalidDevice(name, messageOf(error), hint);
  }
}

/** @throws {Fault} bad_request for what only folders of the host can have. */
function refuseOfFolders(name: string, config: DeviceConfig): void {
  if ((config["shift"] ?? "") !== "") {
    throw invalidDevice(
      name,
      'The "shift" property cannot be used with custom storage volumes ' +
        '(set "security.shifted=true" on the volume instead)',
    );
  }
  if ((config["recursive"] ?? "") !== "") refuseRecursive(name);
}

function refuseRecursive(name: string): never {
  const why = "The recursive option is only supported for additional bind-mounted paths";
  throw invalidDevice(name, why);
}

const isFile = async (path: string) => {
  try {
    return !(await Deno.stat(path)).isDirectory;
  } catch {
    return false; // Ignored: it may come later.
  }
};

async function requirePool(name: string, pool: string, context: ValidateContext): Promise<void> {
  // A profile may come before its pools.
  if (context.instance === undefined) return;
  try {
    await context.services.storage.requirePool(pool);
  } catch (error) {
    throw new Fault(
      "bad_request",
      `Device validation failed for "${name}": The "${pool}" storage pool doesn't exist`,
      { cause: error, hint: "lxc storage list" },
    );
  }
}

interface Source {
  readonly path: HostPath;
  readonly isDirectory: boolean;
  /** Show the container's ids on it. */
  readonly idmap: boolean;
}

/** What is to be bound; undefined if it is missing and not required. */
async function resolve(device: Device): Promise<Source | undefined> {
  const { config, host, services, name } = device;
  const isVolume = (config["pool"] ?? "") !== "";
  const { path, idmap } = isVolume
    ? await services.storage.useCustom(
      { pool: config["pool"] ?? "", name: config["source"] ?? "" },
      { id: host.id, name: host.instance, project: host.project, idmap: host.idmap },
    )
    : { path: hostPath(config["source"] ?? "/"), idmap: isShifted(device) };
  const stat = await statOrUndefined(path);
  if (stat === undefined) {
    if (isOptional(config)) return undefined;
    throw new Fault("bad_request", `Missing source path "${path}" for disk "${name}"`, {
      hint: "Make it, or set required=false.",
    });
  }
  const folders = isVolume ? [] : await host.diskFolders();
  if (folders.length > 0) {
    const bound = blockPath(device);
    detach(bound); // What an ended daemon left.
    bindFromFolder(folders, config, bound);
    return { path: bound, isDirectory: Deno.statSync(bound).isDirectory, idmap: false };
  }
  if (!stat.isBlockDevice) return { path, isDirectory: stat.isDirectory, idmap };
  return { path: await mountBlock(device, path), isDirectory: true, idmap };
}

/** @throws {Fault} bad_request where the kernel can't */
function isShifted({ config, host, name }: Device): boolean {
  if (host.idmap === null || !isTrue(config["shift"])) return false;
  if (!areIdMountsOff()) return true;
  throw new Fault("bad_request", `cannot shift disk "${name}": idmapped mounts are switched off`, {
    hint: "LXD_IDMAPPED_MOUNTS_DISABLE is set for the daemon: unset it, or set shift=false.",
  });
}

/** Mount a block device below devices/<instance>/. @see mount(8) for the detection of its type */
async function mountBlock(device: Device, source: HostPath): Promise<HostPath> {
  const target = blockPath(device);
  await Deno.mkdir(target, { recursive: true });
  const options = [
    ...(isTrue(device.config["readonly"]) ? ["ro"] : []),
    ...(device.config["raw.mount.options"] ?? "").split(",").filter((option) => option !== ""),
  ];
  const args = [...(options.length > 0 ? ["-o", options.join(",")] : []), "--", source, target];
  const { success, code, stderr } = await new Deno.Command("mount", {
    args,
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return target;
  const text = new TextDecoder().decode(stderr).slice(-1000).trim();
  throw new Fault("bad_request", `cannot mount "${source}" for disk "${device.name}": ${text}`, {
    cause: new ExecError(["mount", ...args], code, text),
  });
}

/** Where the host mounts what the container binds. */
function blockPath(device: Device): HostPath {
  const path = (device.config["path"] ?? "").replace(/^\/+/, "").replaceAll("/", "-");
  return hostPath(`${device.host.devicesPath()}/disk.${device.name}.${path}`);
}

async function start(device: Device, undo: Undo): Promise<DeviceStart> {
  if (isRoot(device.config)) return {};
  undo.add(`unmount disk "${device.name}"`, () => stop(device));
  const { config } = device;
  const source = await resolve(device);
  if (source === undefined) return {};
  const target = blockPath(device);
  const path = source.isDirectory && source.path !== target
    ? await stageFolder(source.path, target, config)
    : source.path;
  return { lxc: [["lxc.mount.entry", mountEntry(config, { ...source, path })]] };
}

/** One line of fstab(5) for liblxc. Pure. */
function mountEntry(config: DeviceConfig, source: Source): string {
  const target = (config["path"] ?? "").replace(/^\/+/, "");
  const options = [
    isTrue(config["recursive"]) ? "rbind" : "bind",
    source.isDirectory ? "create=dir" : "create=file",
    ...(isTrue(config["readonly"]) ? ["ro"] : []),
    ...(isOptional(config) ? ["optional"] : []),
    ...((config["propagation"] ?? "") === "" ? [] : [config["propagation"] ?? ""]),
    ...(config["raw.mount.options"] ?? "").split(",").filter((option) => option !== ""),
    ...(source.idmap ? ["idmap=container"] : []),
  ];
  return `${escapeSpaces(source.path)} ${escapeSpaces(target)} none ${options.join(",")} 0 0`;
}

function escapeSpaces(path: string): string {
  return path.replaceAll("\\", "\\134").replaceAll(" ", "\\040").replaceAll("\t", "\\011");
}

/** Idempotent. */
async function stop(device: Device): Promise<void> {
  if (isRoot(device.config)) return;
  const path = blockPath(device);
  detach(path);
  await removeIfThere(path);
}

// From <sys/mount.h>.
const PROPAGATION_FLAGS: Readonly<Record<string, number>> = {
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
};

/**
 * As a start would leave it: what a mount namespace of other users shares with ours only follows it, so
 * that mounts of the container can't cover files of the host. @see mount_namespaces(7)
 */
function pluggedPropagation({ config, host }: Device): number | undefined {
  const wanted = (config["propagation"] ?? "").replace(/^r/, "");
  return PROPAGATION_FLAGS[wanted === "shared" && host.idmap !== null ? "slave" : wanted];
}

async function plug(device: Device, pid: number, undo: Undo): Promise<void> {
  if (isRoot(device.config)) return;
  undo.add(`unmount disk "${device.name}"`, () => stop(device));
  const source = await resolve(device);
  if (source === undefined) return;
  const { config } = device;
  const propagation = pluggedPropagation(device);
  await helper(device, [
    "mount",
    String(pid),
    source.path,
    insidePath(config),
    ...(isTrue(config["readonly"]) ? ["ro"] : []),
    ...(isTrue(config["recursive"]) ? ["rec"] : []),
    ...(source.idmap ? ["idmap"] : []),
    ...(source.isDirectory ? [] : ["file"]),
    ...(propagation === undefined ? [] : [`propagation=${propagation}`]),
  ]);
  // Not before: what the container itself has mounted there is its own.
  undo.add(`take disk "${device.name}" out`, () => takeOut(device, pid));
}

async function unplug(device: Device, pid: number): Promise<void> {
  // Another one stays: an instance without any is refused before this.
  if (isRoot(device.config)) return;
  await takeOut(device, pid);
  await stop(device);
}

/** Idempotent. */
async function takeOut(device: Device, pid: number): Promise<void> {
  await helper(device, ["umount", String(pid), insidePath(device.config)]);
}

function insidePath(config: DeviceConfig): string {
  return "/" + (config["path"] ?? "").replace(/^\/+/, "");
}

async function helper(device: Device, args: readonly string[]): Promise<void> {
  try {
    await runHelper(device.services.helper, args);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    const why = error.stderrTail.trim();
    throw new Fault("bad_request", `cannot ${args[0]} disk "${device.name}": ${why}`, {
      cause: error,
    });
  }
}

async function exists(path: string): Promise<boolean> {
  return await statOrUndefined(path) !== undefined;
}

async function statOrUndefined(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}
