/** `unix-char` and `unix-block`: a device node of the host. The node is made on the host and bound in. */
import { UNIX_KEYS } from "#api/config/device_unix.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { isFalse } from "#base/units.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { checkDeviceKeys, invalidDevice } from "./check_keys.ts";
import type { Device, DeviceConfig, DeviceStart, DeviceType } from "./device.ts";

export const unixChar = unixType("unix-char");
export const unixBlock = unixType("unix-block");

function unixType(type: "unix-char" | "unix-block"): DeviceType {
  return {
    type,
    validate(name, config) {
      checkDeviceKeys(name, config, UNIX_KEYS);
      if ((config["path"] ?? config["source"] ?? "") === "") {
        throw invalidDevice(name, 'Unix device entry is missing the required "source" or "path"');
      }
      return Promise.resolve();
    },
    start: async (device, undo) => await start(device, undo),
    async stop(device) {
      await removeIfThere(nodePath(device));
    },
  };
}

async function start(device: Device, undo: Undo): Promise<DeviceStart> {
  const numbers = await deviceNumbers(device.config);
  if (numbers === undefined) {
    if (isFalse(device.config["required"])) return {};
    const source = device.config["source"] ?? device.config["path"];
    throw new Fault("bad_request", `Failed to start device "${device.name}": no "${source}"`, {
      hint: "Set required=false to start without it.",
    });
  }
  const path = nodePath(device);
  await makeNode(device, path, numbers);
  undo.add(`remove node ${path}`, () => removeIfThere(path));
  const letter = device.config["type"] === "unix-block" ? "b" : "c";
  const target = insidePath(device.config).slice(1);
  return {
    lxc: [["lxc.mount.entry", `${path} ${target} none bind,create=file 0 0`]],
    cgroupAllow: [`${letter} ${numbers.major}:${numbers.minor} rwm`],
  };
}

async function makeNode(
  device: Device,
  path: HostPath,
  numbers: { major: number; minor: number },
): Promise<void> {
  const { config, host } = device;
  await removeIfThere(path);
  const letter = config["type"] === "unix-block" ? "b" : "c";
  const args = ["-m", config["mode"] ?? "0660", "--", path, letter];
  const { success, code, stderr } = await new Deno.Command("mknod", {
    args: [...args, `${numbers.major}`, `${numbers.minor}`],
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) throw new ExecError(["mknod", ...args], code, new TextDecoder().decode(stderr));
  const uid = toHost(host.idmap, "uid", Number(config["uid"] ?? 0));
  await Deno.chown(path, uid, toHost(host.idmap, "gid", Number(config["gid"] ?? 0)));
}

/** Host id of an id inside; the id itself if the container is privileged or does not map it. */
function toHost(idmap: IdMap | null, kind: "uid" | "gid", id: number): number {
  for (const entry of idmap ?? []) {
    const fits = kind === "uid" ? entry.isUid : entry.isGid;
    if (fits && id >= entry.nsId && id < entry.nsId + entry.size) {
      return entry.hostId + id - entry.nsId;
    }
  }
  return id;
}

async function deviceNumbers(
  config: DeviceConfig,
): Promise<{ major: number; minor: number } | undefined> {
  if ((config["major"] ?? "") !== "" && (config["minor"] ?? "") !== "") {
    return { major: Number(config["major"]), minor: Number(config["minor"]) };
  }
  try {
    const { rdev } = await Deno.stat(config["source"] ?? config["path"] ?? "");
    const device = BigInt(rdev ?? 0);
    // gnu_dev_major and gnu_dev_minor of <sys/sysmacros.h>.
    return {
      major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
      minor: Number((device & 0xffn) | ((device >> 12n) & ~0xffn)),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function insidePath(config: DeviceConfig): string {
  return "/" + (config["path"] ?? config["source"] ?? "").replace(/^\/+/, "");
}

function nodePath(device: Device): HostPath {
  const inside = insidePath(device.config).slice(1).replaceAll("/", "-");
  return hostPath(`${device.host.devicesPath()}/unix.${device.name}.${inside}`);
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
