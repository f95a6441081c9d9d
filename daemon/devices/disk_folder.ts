/**
 * Disks of projects that may use some folders of the host only. Whoever owns such a folder can put a
 * link into it, also after the device was checked: so the source is resolved when it is needed, beneath
 * the folder, and what was found is bound, not its name. @see openat2(2)
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { O, openPath } from "#ffi/libc/fd.ts";
import { openBeneath } from "#ffi/libc/in_root.ts";
import { bindMount } from "#ffi/libc/mount.ts";
import type { DeviceConfig } from "./device.ts";

/**
 * Bind the source of a disk on `target`.
 *
 * @throws {Fault} not_authorized if it is not in one of the folders, or would be shifted.
 */
export function bindFromFolder(
  folders: readonly string[],
  config: DeviceConfig,
  target: HostPath,
): void {
  const source = config["source"] ?? "";
  const folder = folders.map((path) => path.replace(/\/+$/, ""))
    .find((path) => source === path || source.startsWith(`${path}/`));
  if (folder === undefined) throw refused(source, "it is in none of the project's folders");
  // Files of any owner could be made there through it, set-user-id ones of the host's root too.
  if (isTrue(config["shift"])) throw refused(source, "shift=true is not safe for such a folder");
  using root = openPath(folder || "/", O.PATH | O.DIRECTORY);
  using found = beneath(root.fd, source, source.slice(folder.length + 1) || ".");
  const path = `/proc/self/fd/${found.fd}`;
  const stat = Deno.statSync(path);
  if (stat.isBlockDevice) throw refused(source, "a block device can't come from such a folder");
  if (stat.isDirectory) Deno.mkdirSync(target, { recursive: true });
  else Deno.writeFileSync(target, new Uint8Array(), { mode: 0o600 });
  bindMount(path, target, { recursive: isTrue(config["recursive"]) });
}

function beneath(root: Parameters<typeof openBeneath>[0], source: string, path: string) {
  try {
    return openBeneath(root, path, O.PATH);
  } catch (error) {
    throw refused(source, "it can't be opened beneath the project's folder", error);
  }
}

function refused(source: string, why: string, cause?: unknown): Fault {
  return new Fault("not_authorized", `Disk source path "${hostPath(source)}" not allowed: ${why}`, {
    cause,
    hint: "restricted.devices.disk.paths of the project says which folders may be used.",
  });
}
