/** A custom volume as LXD describes it in backups and to other servers. Pure. */
import type { VolumeRow } from "#daemon/db/storage_pools.ts";
import type { VolumeSnapshotRow } from "#daemon/db/volume_snapshots.ts";

const NEVER = "0001-01-01T00:00:00Z";

/** In names of the wire. Times that we don't know are LXD's zero time. */
export function describeVolume(volume: VolumeRow, snapshots: readonly VolumeSnapshotRow[]) {
  return {
    volume: {
      config: { ...volume.config },
      description: volume.description,
      name: volume.name,
      type: "custom",
      used_by: [],
      location: "none",
      content_type: volume.contentType,
      project: volume.project,
      created_at: NEVER,
    },
    ...(snapshots.length > 0 && {
      volume_snapshots: snapshots.map((one) => ({
        description: one.description,
        expires_at: one.expiresAt === "" ? NEVER : one.expiresAt,
        name: one.name,
        config: { ...one.config },
        content_type: volume.contentType,
        created_at: NEVER,
      })),
    }),
  };
}
