/**
 * A Debian image with what the tests of Docker and FUSE need in a container, built once from the mirror
 * that apt uses and kept in .cache/vm/debian.
 */
import { hostPath } from "#base/brand.ts";
import { buildImage } from "#daemon/images/build.ts";

const PACKAGES = ["docker.io", "iptables", "fuse2fs"];
const BUILD_MS = 20 * 60_000;

/** Two files as `lxc image import` takes them: metadata and root. A folder that is whole is left as it is. */
export const DEBIAN_FILES = ["meta.tar.xz", "rootfs.tar.zst"] as const;

/** @throws {Fault} where debootstrap fails. */
export async function buildDebian(folder: string): Promise<void> {
  if (await Deno.stat(folder).then(() => true, () => false)) return;
  const directory = hostPath(`${folder}.new`);
  await Deno.remove(directory, { recursive: true }).catch(() => undefined);
  await Deno.mkdir(directory, { recursive: true });
  console.log(`building Debian with ${PACKAGES.join(", ")}`);
  await buildImage({
    ...{ recipe: "debian/12", packages: PACKAGES, mirror: undefined, keyring: undefined },
    directory,
    signal: AbortSignal.timeout(BUILD_MS),
    progress: () => {},
  });
  for (const name of ["rootfs", "meta"]) {
    await Deno.remove(`${directory}/${name}`, { recursive: true });
  }
  await Deno.rename(directory, folder);
}
