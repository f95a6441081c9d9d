/**
 * Sources that a container can't bind as its options say. From inside of a user namespace the kernel
 * lets nobody look below what is mounted on a directory (a source with mounts in it, without them), nor
 * does liblxc make more than the uppermost mount read-only. So the host binds them first, and the
 * container takes what it finds. @see mount_namespaces(7), on locked mounts
 */
import type { HostPath } from "#base/brand.ts";
import { isTrue } from "#base/units.ts";
import { mountTable } from "#daemon/host/mounted.ts";
import { bindMount, detach } from "#ffi/libc/mount.ts";
import type { DeviceConfig } from "./device.ts";

/** Bind the directory `source` on `target`, if it must be. @returns what the container is to bind. */
export async function stageFolder(
  source: HostPath,
  target: HostPath,
  config: DeviceConfig,
): Promise<HostPath> {
  const recursive = isTrue(config["recursive"]);
  const isReadonly = isTrue(config["readonly"]);
  const isPlain = recursive && !isReadonly;
  if (isPlain || !await hasMountsBelow(source)) return source;
  detach(target); // What an ended daemon left.
  await Deno.mkdir(target, { recursive: true });
  bindMount(source, target, { recursive, readOnly: isReadonly });
  return target;
}

async function hasMountsBelow(path: string): Promise<boolean> {
  const real = await Deno.realPath(path);
  const prefix = real === "/" ? real : `${real}/`;
  return (await mountTable()).some(({ target }) => target.startsWith(prefix) && target !== real);
}
