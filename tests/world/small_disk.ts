/** A disk of its own for the state directory of a daemon: it gets full without filling the host's. */
import { must } from "./run.ts";

/** 512 MiB, of which 32 are held in reserve. The caller unmounts `directory`. */
export async function mountSmallDisk(directory: string): Promise<void> {
  const image = `${directory}.img`;
  await must(["truncate", "--size=512M", image]);
  await must(["mkfs.ext4", "-q", "-m", "0", image]);
  await must(["mount", "-o", "loop", image, directory]);
  await Deno.chmod(directory, 0o711);
}
