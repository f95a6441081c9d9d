/** On which disk a path lies. */
import { Fault } from "#base/errors.ts";

/**
 * "8:0" of the whole disk: partitions can't be throttled.
 *
 * @throws {Fault} bad_request if the path is on no block device (tmpfs, network, ZFS).
 */
export function blockOf(path: string): string {
  const { dev, isBlockDevice, rdev } = Deno.statSync(path);
  const own = numbers(isBlockDevice ? rdev ?? 0 : dev);
  const found = own.startsWith("0:") ? sourceOf(path) : own;
  if (found === undefined) {
    throw new Fault("bad_request", `cannot limit the disk of "${path}": it is on no block device`, {
      hint: "Remove limits.read, limits.write and limits.max.",
    });
  }
  return wholeDisk(found);
}

function numbers(device: number): string {
  const value = BigInt(device);
  // gnu_dev_major and gnu_dev_minor of <sys/sysmacros.h>.
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & ~0xfffn);
  return `${major}:${(value & 0xffn) | ((value >> 12n) & ~0xffn)}`;
}

/** btrfs and overlays have numbers of their own: the mount says which device is behind. */
function sourceOf(path: string): string | undefined {
  const real = Deno.realPathSync(path);
  let best: { point: string; source: string } | undefined;
  for (const line of Deno.readTextFileSync("/proc/self/mountinfo").split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const point = left.split(" ")[4];
    if (point === undefined || !isBelow(real, point)) continue;
    if (point.length >= (best?.point.length ?? 0)) {
      best = { point, source: right.split(" ")[1] ?? "" };
    }
  }
  if (best === undefined || !best.source.startsWith("/dev/")) return undefined;
  try {
    const { rdev, isBlockDevice } = Deno.statSync(best.source);
    return isBlockDevice ? numbers(rdev ?? 0) : undefined;
  } catch {
    return undefined; // Ignored: /dev/root and the like are names without a node.
  }
}

function isBelow(path: string, point: string): boolean {
  return point === "/" || path === point || path.startsWith(`${point}/`);
}

function wholeDisk(block: string): string {
  const sysfs = `/sys/dev/block/${block}`;
  try {
    Deno.statSync(`${sysfs}/partition`);
    return Deno.readTextFileSync(`${Deno.realPathSync(sysfs)}/../dev`).trim();
  } catch {
    return block; // Ignored: no partition.
  }
}
