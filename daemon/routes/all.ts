/** Every route of the API, in the order of the documentation. */
import type { Authority } from "#daemon/http/authority.ts";
import type { Backups } from "#daemon/backups/service.ts";
import type { BoundRoute } from "#daemon/http/handle.ts";
import type { FilesPool } from "#daemon/guest/files/pool.ts";
import type { ImageService } from "#daemon/images/create.ts";
import type { Upkeep } from "#daemon/images/upkeep.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import type { NetworkService } from "#daemon/networks/create.ts";
import type { EventBus } from "#daemon/operations/event_bus.ts";
import type { OperationRegistry } from "#daemon/operations/registry.ts";
import type { ServerSettings } from "#daemon/server_settings.ts";
import type { StorageService } from "#daemon/storage/create.ts";
import { certificateRoutes } from "./certificates.ts";
import imageAliasRoutes from "./image_aliases.ts";
import { imageRoutes } from "./images.ts";
import instanceConsoleRoutes from "./instance_console.ts";
import instanceExecRoutes from "./instance_exec.ts";
import { instanceFileRoutes } from "./instance_files.ts";
import instanceLogRoutes from "./instance_logs.ts";
import instanceMetadataRoutes from "./instance_metadata.ts";
import { instanceBackupRoutes } from "./instance_backups.ts";
import { instanceRoutes } from "./instances.ts";
import instanceStateRoutes from "./instance_state.ts";
import { instanceSnapshotRoutes } from "./instance_snapshots.ts";
import { internalRoutes, type Lifetime } from "./internal.ts";
import { networkAclRoutes } from "./network_acls.ts";
import { networkForwardRoutes } from "./network_forwards.ts";
import networkPeerRoutes from "./network_peers.ts";
import { metricsRoutes } from "./metrics.ts";
import networkZoneRoutes from "./network_zones.ts";
import { networkRoutes } from "./networks.ts";
import { operationRoutes } from "./operations.ts";
import profileRoutes from "./profiles.ts";
import projectRoutes from "./projects.ts";
import { type ServerIdentity, serverRoutes } from "./server.ts";
import { storagePoolRoutes } from "./storage_pools.ts";
import { storageVolumeBackupRoutes } from "./storage_volume_backups.ts";
import { storageVolumeSnapshotRoutes } from "./storage_volume_snapshots.ts";
import { storageVolumeRoutes } from "./storage_volumes.ts";
import warningRoutes from "./warnings.ts";

export interface RouteDeps {
  readonly identity: ServerIdentity;
  readonly settings: ServerSettings;
  readonly authority: Authority | undefined;
  readonly operations: OperationRegistry;
  readonly events: EventBus;
  readonly images: ImageService;
  readonly upkeep: Upkeep;
  readonly networks: NetworkService;
  readonly storage: StorageService;
  readonly files: FilesPool;
  readonly backups: Backups;
  readonly migrations: Migrations;
  readonly lifetime: Lifetime;
}

/** Built once, before the daemon listens. */
export function allRoutes(deps: RouteDeps): readonly BoundRoute[] {
  return [
    ...serverRoutes(deps.identity, deps.settings),
    ...certificateRoutes(deps),
    ...projectRoutes,
    ...profileRoutes,
    ...operationRoutes(deps.operations, deps.events),
    ...imageAliasRoutes,
    ...imageRoutes(deps),
    ...instanceRoutes(deps),
    ...instanceBackupRoutes(deps.backups, deps.settings),
    ...instanceStateRoutes,
    ...instanceSnapshotRoutes(deps),
    ...instanceExecRoutes,
    ...instanceFileRoutes(deps.files),
    ...instanceConsoleRoutes,
    ...instanceLogRoutes,
    ...instanceMetadataRoutes,
    ...networkRoutes(deps.networks),
    ...networkAclRoutes(deps.networks),
    ...networkForwardRoutes(deps.networks),
    ...networkPeerRoutes,
    ...networkZoneRoutes,
    ...storagePoolRoutes(deps.storage),
    ...storageVolumeRoutes(deps.storage, deps.backups, deps.migrations),
    ...storageVolumeSnapshotRoutes(deps.storage, deps.migrations),
    ...storageVolumeBackupRoutes(deps.backups, deps.settings),
    ...warningRoutes,
    ...metricsRoutes(),
    ...internalRoutes(deps.lifetime, deps.backups),
  ];
}
