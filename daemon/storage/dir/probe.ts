/** What the file system of a pool can do, found out by doing it once. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { messageOf } from "#base/errors.ts";
import { PROBE_MAP, probeIdMounts } from "#daemon/storage/id_mounts.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { detach } from "#ffi/libc/mount.ts";
import { mountOverlay } from "#ffi/libc/overlay.ts";

export interface PoolAbilities {
  /** Idmapped mounts of plain directories. */
  readonly idmap: boolean;
  /** Idmapped layers and uppers of an overlay. */
  readonly overlay: boolean;
  /** Why not, in the kernel's words. */
  readonly reason: string;
}

/** Leaves nothing behind. `reason` says in words why something can't be. */
export async function probePool(
  root: HostPath,
  namespaces: UserNamespaces,
): Promise<PoolAbilities> {
  const refused = await probeIdMounts(root, namespaces);
  if (refused !== undefined) return { idmap: false, overlay: false, reason: refused };
  const base = hostPath(`${root}/.probe-${crypto.randomUUID()}`);
  const target = hostPath(`${base}/rootfs`);
  for (const part of ["lower", "top/upper", "top/work", "rootfs"]) {
    await Deno.mkdir(`${base}/${part}`, { recursive: true });
  }
  try {
    using lower = await namespaces.lower(PROBE_MAP);
    using upper = await namespaces.upper(PROBE_MAP);
    mountOverlay({
      lowers: [`${base}/lower`],
      lowerNamespace: lower.fd,
      upperParent: `${base}/top`,
      upperNamespace: upper.fd,
      target,
    });
    return { idmap: true, overlay: true, reason: "" };
  } catch (error) {
    return { idmap: true, overlay: false, reason: messageOf(error) };
  } finally {
    while (detach(target));
    await Deno.remove(base, { recursive: true });
  }
}
