/** The suite of storage drivers on one kind of pool of the driver `lvm`. */
import { lvmPool } from "#daemon/storage/lvm/pool.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { isMet } from "./needs.ts";

export function lvmSuite(what: string, { config, sizeBytes, only }: {
  readonly config: Readonly<Record<string, string>>;
  /** Of a volume. */
  readonly sizeBytes: number;
  /** Some of the cases; default: all. */
  readonly only?: RegExp;
}): void {
  if (!isMet("lvm")) return;
  storageSuite(what, async () => {
    const place = await openPoolPlace(lvmPool, {
      size: "8GiB",
      "volume.size": `${sizeBytes}B`,
      ...config,
    });
    return { ...place, sizeBytes, legalName: /^[a-zA-Z0-9+_.-]+$/, manyVolumes: 8 };
  }, only);
}
