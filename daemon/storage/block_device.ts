/** Block devices of the host: what is on them. @see blkid(8) */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError } from "#base/errors.ts";
import { run } from "#daemon/host/run.ts";

/** Also through a link; false for what can't be looked at. */
export async function isBlockDevice(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isBlockDevice }) => isBlockDevice === true, () => false);
}

/** Read from the device itself, not from a cache. "": none. */
export async function probeTag(device: HostPath, tag: "UUID" | "TYPE"): Promise<string> {
  try {
    const out = await run(["blkid", "--probe", "--match-tag", tag, "--output", "value", device]);
    return out.trim();
  } catch (error) {
    // 2: nothing was found on it.
    if (error instanceof ExecError && error.exitCode === 2) return "";
    throw error;
  }
}

/** The device with a file system of this UUID, by /dev/disk or by asking all. */
export async function findByUuid(uuid: string): Promise<HostPath | undefined> {
  try {
    const out = await run(["blkid", "--cache-file", "/dev/null", "--uuid", uuid]);
    return hostPath(out.trim());
  } catch (error) {
    if (error instanceof ExecError) return undefined;
    throw error;
  }
}
