/** Block devices for tests that need one. */
import { must } from "#tests/world/run.ts";

/** A loop device of 2 GiB on a file of this name in a folder. */
export async function loopDevice(folder: string, name: string): Promise<string> {
  await must(["modprobe", "loop"]);
  await must(["truncate", "--size=2G", `${folder}/${name}.img`]);
  return (await must(["losetup", "--find", "--show", `${folder}/${name}.img`])).trim();
}
