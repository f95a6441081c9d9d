/** The suites of storage drivers on one kind of pool of the driver `lvm`. */
import { lvm } from "#daemon/storage/lvm/group.ts";
import { lvmPool } from "#daemon/storage/lvm/pool.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { type CrashOptions, crashSuite } from "#tests/suites/storage_crash.ts";
import { must } from "#tests/world/run.ts";
import { loopDevice } from "./loop.ts";
import { isMet } from "./needs.ts";

export interface LvmKind {
  readonly config: Readonly<Record<string, string>>;
  /** Of a volume. */
  readonly sizeBytes: number;
}

/** An empty volume group on a file in a folder. */
export async function makeGroup(folder: string, name: string): Promise<void> {
  const device = await loopDevice(folder, name);
  await must(["pvcreate", "--yes", device]);
  await must(["vgcreate", name, device]);
}

export async function logicalVolumes(group: string): Promise<string[]> {
  const text = await must(["lvs", "--noheadings", "--options", "lv_name", group]);
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

export function lvmSuite(what: string, kind: LvmKind & { readonly only?: RegExp }): void {
  if (isMet("lvm")) storageSuite(what, () => openLvm(kind), kind.only);
}

export function lvmCrashSuite(what: string, kind: LvmKind & CrashOptions): void {
  if (isMet("lvm")) crashSuite(what, () => openLvm(kind), kind);
}

export async function openLvm({ config, sizeBytes }: LvmKind) {
  const place = await openPoolPlace(lvmPool, {
    size: "8GiB",
    "volume.size": `${sizeBytes}B`,
    ...config,
  });
  const remains = async () =>
    (await lvm("lvs", "--noheadings", "--options", "lv_name")).split("\n").map((one) => one.trim());
  // A btrfs counts what it has written out.
  const settle = async () => void await must(["sync"]);
  return { ...place, settle, sizeBytes, legalName: /^[a-zA-Z0-9+_.-]+$/, manyVolumes: 8, remains };
}
