/** Can mounts map ids here? Where they can't, the files of containers are shifted on disk. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { messageOf } from "#base/errors.ts";
import { areIdMountsOff } from "#daemon/host/id_mounts.ts";
import { attachTree, cloneTree, detach, idmapTree } from "#ffi/libc/mount.ts";
import type { UserNamespaces } from "./user_namespaces.ts";

export const PROBE_MAP = [{ isUid: true, isGid: true, nsId: 0, hostId: 1_000_000, size: 65_536 }];

/** undefined: they can; else why not, in the kernel's words. Found out by doing it once. */
export async function probeIdMounts(
  root: HostPath,
  namespaces: UserNamespaces,
): Promise<string | undefined> {
  if (areIdMountsOff()) return "LXD_IDMAPPED_MOUNTS_DISABLE is set";
  const base = hostPath(`${root}/.probe-${crypto.randomUUID()}`);
  const target = hostPath(`${base}/target`);
  for (const part of ["source", "target"]) {
    await Deno.mkdir(`${base}/${part}`, { recursive: true });
  }
  try {
    using tree = cloneTree(`${base}/source`);
    using namespace = await namespaces.lower(PROBE_MAP);
    idmapTree(tree, namespace.fd);
    attachTree(tree, target);
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    while (detach(target));
    await Deno.remove(base, { recursive: true });
  }
}
