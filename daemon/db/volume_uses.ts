/** Which instances and profiles have a custom volume among their disks, and the change of its name there. */
import { isTrue } from "#base/units.ts";
import { integer, text, type Tx } from "./db.ts";
import { listProjects } from "./projects.ts";

export interface VolumeName {
  readonly pool: string;
  /** The project that holds it. */
  readonly project: string;
  readonly name: string;
}

export interface VolumeUse {
  readonly kind: "instances" | "profiles";
  readonly id: number;
  readonly name: string;
  readonly project: string;
  /** Of the device row, to change it. */
  readonly deviceId: number;
}

const QUERY = (kind: VolumeUse["kind"], column: string, device: string) =>
  `SELECT o.id, o.name, j.name AS project, d.id AS device FROM ${kind} o
     JOIN projects j ON j.id = o.project_id
     JOIN ${kind}_devices d ON d.${column} = o.id AND d.type = 2
     JOIN ${kind}_devices_config p ON p.${device} = d.id AND p.key = 'pool' AND p.value = ?1
     JOIN ${kind}_devices_config s ON s.${device} = d.id AND s.key = 'source' AND s.value = ?2`;

/** Own devices only: an instance that has it by a profile is found through `profiles`. */
async function listVolumeUses(tx: Tx, volume: VolumeName): Promise<VolumeUse[]> {
  const holders = await holdersOf(tx, volume.project);
  const uses: VolumeUse[] = [];
  for (
    const [kind, column, device] of [
      ["instances", "instance_id", "instance_device_id"],
      ["profiles", "profile_id", "profile_device_id"],
    ] as const
  ) {
    for (const row of await tx.all(QUERY(kind, column, device), volume.pool, volume.name)) {
      const project = text(row, "project");
      if (!holders.has(project)) continue;
      const deviceId = integer(row, "device");
      uses.push({ kind, id: integer(row, "id"), name: text(row, "name"), project, deviceId });
    }
  }
  return uses;
}

/** Projects whose custom volumes live in `project`. */
export async function holdersOf(tx: Tx, project: string): Promise<ReadonlySet<string>> {
  const all = await listProjects(tx);
  return new Set(
    all.filter(({ name, config }) => {
      const isOwn = name === "default" || isTrue(config["features.storage.volumes"]);
      return isOwn ? name === project : project === "default";
    }).map(({ name }) => name),
  );
}

/** The volume has another name or pool now: say so in the devices that have it. */
export async function renameVolumeUses(
  tx: Tx,
  volume: VolumeName,
  change: { readonly pool: string; readonly name: string },
): Promise<void> {
  for (const { kind, deviceId } of await listVolumeUses(tx, volume)) {
    const column = kind === "instances" ? "instance_device_id" : "profile_device_id";
    for (const [key, value] of [["source", change.name], ["pool", change.pool]] as const) {
      await tx.run(
        `UPDATE ${kind}_devices_config SET value = ? WHERE ${column} = ? AND key = ?`,
        value,
        deviceId,
        key,
      );
    }
  }
}
