/** Pools of the driver `dir`: a directory of the host, bound where pools are. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import {
  isEmptyDirectory,
  removeEmptyFolders,
  removeIfEmpty,
  removeTree,
} from "#daemon/host/files.ts";
import { isMounted, mountTable } from "#daemon/host/mounted.ts";
import type { PoolConfig, PoolPlace, PoolServices, PoolType } from "#daemon/storage/pool_type.ts";
import { POOL_FOLDERS } from "#daemon/storage/volume.ts";
import { bindMount, detach } from "#ffi/libc/mount.ts";
import { DirDriver } from "./driver.ts";
import { ProjectQuotas } from "./project_quota.ts";
import { SIZED_FOLDER } from "./plain.ts";
import { type PoolAbilities, probePool } from "./probe.ts";
import { sizesMissing } from "./sized.ts";

export const dirPool: PoolType = {
  name: "dir",
  probe: () => Promise.resolve({ version: "1" }),
  create,
  abandon,
  start,
  async recognize(place) {
    const source = place.config["source"] ?? place.root;
    forbidStateDirectory(checkSource(source), place);
    await requirePoolFolders(place.root, source);
  },
  async stop({ root }) {
    while (detach(root));
    await Promise.resolve();
  },
  update: () => Promise.resolve(),
  destroy,
};

async function create(place: PoolPlace, undo: Undo): Promise<PoolConfig> {
  const given = place.config["source"] ?? "";
  if (given === "" || given === place.root) {
    await Deno.mkdir(place.root, { recursive: true, mode: 0o711 });
    undo.add("remove the pool's directory", () => removeIfEmpty(place.root));
    return { ...place.config, source: place.root };
  }
  const source = checkSource(given);
  forbidStateDirectory(source, place);
  if (!await isDirectory(source)) {
    throw new Fault("bad_request", `Source path "${source}" doesn't exist or is no directory`, {
      hint: "Make the directory first.",
    });
  }
  if (!await isEmptyDirectory(source)) {
    throw new Fault("bad_request", `Source path "${source}" isn't empty`, {
      hint: "Name an empty directory.",
    });
  }
  return { ...place.config, source, "volatile.initial_source": source };
}

async function abandon({ root }: PoolPlace): Promise<void> {
  // What was tried out in it, or a source that was given, which stays as it is.
  for (const { target } of (await mountTable()).toReversed()) {
    if (target === root || target.startsWith(`${root}/`)) detach(hostPath(target));
  }
  await removeEmptyFolders(root);
  await removeIfEmpty(root);
}

async function start(place: PoolPlace, services: PoolServices): Promise<DirDriver> {
  const { root, config } = place;
  await Deno.mkdir(root, { recursive: true, mode: 0o711 });
  const source = config["source"] ?? root;
  if (source !== root && !await isMounted(root)) {
    if (!await isDirectory(source)) {
      throw new Fault("unavailable", `Source path "${source}" doesn't exist`, {
        hint: "Is its disk mounted?",
      });
    }
    bindMount(source, root);
  }
  const abilities = await probePool(root, services.namespaces);
  const clone = cloneMethod(config["dir.clone"] ?? "", abilities);
  const quotas = new ProjectQuotas(services.helper);
  return new DirDriver({
    ...services,
    root,
    clone,
    idMounts: abilities.idmap,
    quotas: await quotas.isOn(root) ? quotas : undefined,
    sizesMissing: await sizesMissing(),
  });
}

function cloneMethod(wanted: string, abilities: PoolAbilities): "overlay" | "copy" | "reflink" {
  if (wanted === "copy" || wanted === "reflink") return wanted;
  if (abilities.overlay) return "overlay";
  if (wanted === "overlay") {
    throw new Fault("bad_request", `this pool can't clone by overlay: ${abilities.reason}`, {
      hint: "Set dir.clone to auto, reflink or copy.",
    });
  }
  return "copy";
}

async function destroy({ root, config }: PoolPlace): Promise<void> {
  const source = config["source"] ?? root;
  for (const part of [...POOL_FOLDERS, "layers", SIZED_FOLDER, "trash"]) {
    await removeTree(hostPath(`${source}/${part}`));
  }
  await Deno.remove(root).catch(() => undefined); // Ignored: what else lies in it stays.
}

/** "/srv/pool" as given. @throws {Fault} bad_request for a relative path */
export function checkSource(source: string): HostPath {
  if (!source.startsWith("/")) {
    throw new Fault("bad_request", `Only absolute paths are allowed for now: "${source}"`);
  }
  return hostPath(source.replace(/(?<=.)\/+$/, ""));
}

/** @throws {Fault} bad_request for a source within the state directory */
export function forbidStateDirectory(source: HostPath, place: PoolPlace): void {
  const isInside = source === place.stateDirectory || source.startsWith(`${place.stateDirectory}/`);
  if (!isInside || source === place.root) return;
  throw new Fault(
    "bad_request",
    `Source path "${source}" is within the LXD directory, only "${place.root}" may be`,
  );
}

/** What every pool has, whoever made it. @throws {Fault} bad_request */
export async function requirePoolFolders(root: HostPath, source: string): Promise<void> {
  for (const folder of ["containers", "containers-snapshots", "custom", "custom-snapshots"]) {
    if (await isDirectory(`${root}/${folder}`)) continue;
    throw new Fault("bad_request", `"${source}" is no storage pool: it has no "${folder}"`);
  }
}

/** Also through a link; false for what can't be looked at. */
export async function isDirectory(path: string): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isDirectory, () => false);
}
