/**
 * The tables, with LXD's names for tables and columns (scripts query them through `lxd sql`);
 * types and constraints are ours. Migrations are append-only: never change one that was released.
 */
import { DOCKER_PROFILE } from "./docker_profile.ts";
import { GLOBAL_2, LOCAL_2 } from "./schema_indexes.ts";
import { ZONE_RECORD_NAMES } from "./zone_record_names.ts";

const ID = "id INTEGER PRIMARY KEY AUTOINCREMENT";

function belongsTo(column: string, table: string): string {
  return `FOREIGN KEY (${column}) REFERENCES ${table} (id) ON DELETE CASCADE`;
}

function table(name: string, ...columns: string[]): string {
  return `CREATE TABLE ${name} (${columns.join(", ")}) STRICT;`;
}

/** `<owner>_config`: keys and values of an owner. */
function configOf(name: string, owner: string, column: string, perNode = false): string {
  return table(
    name,
    ID,
    `${column} INTEGER NOT NULL`,
    ...(perNode ? ["node_id INTEGER"] : []),
    "key TEXT NOT NULL",
    "value TEXT",
    `UNIQUE (${column}, ${perNode ? "node_id, " : ""}key)`,
    belongsTo(column, owner),
  );
}

/** `<owner>_devices` and `<owner>_devices_config`. */
function devicesOf(prefix: string, owner: string, column: string, deviceColumn: string): string {
  return table(
    `${prefix}_devices`,
    ID,
    `${column} INTEGER NOT NULL`,
    "name TEXT NOT NULL",
    "type INTEGER NOT NULL DEFAULT 0",
    `UNIQUE (${column}, name)`,
    belongsTo(column, owner),
  ) + configOf(`${prefix}_devices_config`, `${prefix}_devices`, deviceColumn);
}

const inProject = ["project_id INTEGER NOT NULL", belongsTo("project_id", "projects")] as const;

const GLOBAL_1 = [
  table("config", ID, "key TEXT NOT NULL UNIQUE", "value TEXT"),
  table(
    "nodes",
    ID,
    "name TEXT NOT NULL UNIQUE",
    "description TEXT NOT NULL DEFAULT ''",
    "address TEXT NOT NULL UNIQUE",
    "schema INTEGER NOT NULL DEFAULT 0",
    "api_extensions INTEGER NOT NULL DEFAULT 0",
    "heartbeat TEXT DEFAULT CURRENT_TIMESTAMP",
    "state INTEGER NOT NULL DEFAULT 0",
    "arch INTEGER NOT NULL DEFAULT 2",
    "failure_domain_id INTEGER",
  ),
  configOf("nodes_config", "nodes", "node_id"),
  table(
    "nodes_roles",
    "node_id INTEGER NOT NULL",
    "role INTEGER NOT NULL",
    "UNIQUE (node_id, role)",
  ),
  table("nodes_failure_domains", ID, "name TEXT NOT NULL UNIQUE"),
  table("cluster_groups", ID, "name TEXT NOT NULL UNIQUE", "description TEXT NOT NULL"),
  table(
    "nodes_cluster_groups",
    "node_id INTEGER NOT NULL",
    "group_id INTEGER NOT NULL",
    "UNIQUE (node_id, group_id)",
  ),
  table("projects", ID, "name TEXT NOT NULL UNIQUE", "description TEXT NOT NULL DEFAULT ''"),
  configOf("projects_config", "projects", "project_id"),
  table(
    "certificates",
    ID,
    "fingerprint TEXT NOT NULL UNIQUE",
    "type INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "certificate TEXT NOT NULL",
    "restricted INTEGER NOT NULL DEFAULT 0",
  ),
  table(
    "certificates_projects",
    "certificate_id INTEGER NOT NULL",
    "project_id INTEGER NOT NULL",
    "UNIQUE (certificate_id, project_id)",
    belongsTo("certificate_id", "certificates"),
    belongsTo("project_id", "projects"),
  ),
  table(
    "profiles",
    ID,
    "name TEXT NOT NULL",
    "description TEXT NOT NULL DEFAULT ''",
    inProject[0],
    "UNIQUE (project_id, name)",
    inProject[1],
  ),
  configOf("profiles_config", "profiles", "profile_id"),
  devicesOf("profiles", "profiles", "profile_id", "profile_device_id"),
  table(
    "instances",
    ID,
    "node_id INTEGER NOT NULL DEFAULT 1",
    "name TEXT NOT NULL",
    "architecture INTEGER NOT NULL",
    "type INTEGER NOT NULL DEFAULT 0",
    "ephemeral INTEGER NOT NULL DEFAULT 0",
    "creation_date TEXT NOT NULL",
    "stateful INTEGER NOT NULL DEFAULT 0",
    "last_use_date TEXT",
    "description TEXT NOT NULL DEFAULT ''",
    "expiry_date TEXT",
    // Ours: 1 while the instance is being made; such rows are undone at the next start.
    "half_made INTEGER NOT NULL DEFAULT 0",
    inProject[0],
    "UNIQUE (project_id, name)",
    inProject[1],
  ),
  configOf("instances_config", "instances", "instance_id"),
  devicesOf("instances", "instances", "instance_id", "instance_device_id"),
  table(
    "instances_profiles",
    ID,
    "instance_id INTEGER NOT NULL",
    "profile_id INTEGER NOT NULL",
    "apply_order INTEGER NOT NULL DEFAULT 0",
    "UNIQUE (instance_id, profile_id)",
    belongsTo("instance_id", "instances"),
    belongsTo("profile_id", "profiles"),
  ),
  table(
    "instances_backups",
    ID,
    "instance_id INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "creation_date TEXT",
    "expiry_date TEXT",
    "container_only INTEGER NOT NULL DEFAULT 0",
    "optimized_storage INTEGER NOT NULL DEFAULT 0",
    "UNIQUE (instance_id, name)",
    belongsTo("instance_id", "instances"),
  ),
  table(
    "instances_snapshots",
    ID,
    "instance_id INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "creation_date TEXT NOT NULL",
    "stateful INTEGER NOT NULL DEFAULT 0",
    "description TEXT NOT NULL DEFAULT ''",
    "expiry_date TEXT",
    // Ours: profiles and ephemeral as they were when the snapshot was taken (JSON).
    "saved TEXT NOT NULL DEFAULT '{}'",
    "UNIQUE (instance_id, name)",
    belongsTo("instance_id", "instances"),
  ),
  configOf("instances_snapshots_config", "instances_snapshots", "instance_snapshot_id"),
  devicesOf(
    "instances_snapshots",
    "instances_snapshots",
    "instance_snapshot_id",
    "instance_snapshot_device_id",
  ),
  table(
    "images",
    ID,
    "fingerprint TEXT NOT NULL",
    "filename TEXT NOT NULL",
    "size INTEGER NOT NULL",
    "public INTEGER NOT NULL DEFAULT 0",
    "architecture INTEGER NOT NULL",
    "creation_date TEXT",
    "expiry_date TEXT",
    "upload_date TEXT NOT NULL",
    "cached INTEGER NOT NULL DEFAULT 0",
    "last_use_date TEXT",
    "auto_update INTEGER NOT NULL DEFAULT 0",
    "type INTEGER NOT NULL DEFAULT 0",
    inProject[0],
    "UNIQUE (project_id, fingerprint)",
    inProject[1],
  ),
  table(
    "images_properties",
    ID,
    "image_id INTEGER NOT NULL",
    "type INTEGER NOT NULL DEFAULT 0",
    "key TEXT NOT NULL",
    "value TEXT",
    belongsTo("image_id", "images"),
  ),
  table(
    "images_aliases",
    ID,
    "name TEXT NOT NULL",
    "image_id INTEGER NOT NULL",
    "description TEXT NOT NULL DEFAULT ''",
    inProject[0],
    "UNIQUE (project_id, name)",
    belongsTo("image_id", "images"),
    inProject[1],
  ),
  table(
    "images_source",
    ID,
    "image_id INTEGER NOT NULL",
    "server TEXT NOT NULL",
    "protocol INTEGER NOT NULL",
    "certificate TEXT NOT NULL",
    "alias TEXT NOT NULL",
    belongsTo("image_id", "images"),
  ),
  table(
    "images_nodes",
    ID,
    "image_id INTEGER NOT NULL",
    "node_id INTEGER NOT NULL",
    "UNIQUE (image_id, node_id)",
    belongsTo("image_id", "images"),
  ),
  table(
    "images_profiles",
    "image_id INTEGER NOT NULL",
    "profile_id INTEGER NOT NULL",
    "UNIQUE (image_id, profile_id)",
    belongsTo("image_id", "images"),
    belongsTo("profile_id", "profiles"),
  ),
  table(
    "networks",
    ID,
    "name TEXT NOT NULL",
    "description TEXT NOT NULL DEFAULT ''",
    "state INTEGER NOT NULL DEFAULT 0",
    "type INTEGER NOT NULL DEFAULT 0",
    inProject[0],
    "UNIQUE (project_id, name)",
    inProject[1],
  ),
  configOf("networks_config", "networks", "network_id", true),
  ...["networks_nodes:networks:network_id", "storage_pools_nodes:storage_pools:storage_pool_id"]
    .map(
      (spec) => {
        const [name = "", owner = "", column = ""] = spec.split(":");
        return table(
          name,
          ID,
          `${column} INTEGER NOT NULL`,
          "node_id INTEGER NOT NULL",
          "state INTEGER NOT NULL DEFAULT 0",
          `UNIQUE (${column}, node_id)`,
          belongsTo(column, owner),
        );
      },
    ),
  table(
    "networks_acls",
    ID,
    "name TEXT NOT NULL",
    "description TEXT NOT NULL",
    "ingress TEXT NOT NULL",
    "egress TEXT NOT NULL",
    inProject[0],
    "UNIQUE (project_id, name)",
    inProject[1],
  ),
  configOf("networks_acls_config", "networks_acls", "network_acl_id"),
  table(
    "networks_forwards",
    ID,
    "network_id INTEGER NOT NULL",
    "node_id INTEGER",
    "listen_address TEXT NOT NULL",
    "description TEXT NOT NULL",
    "ports TEXT NOT NULL",
    "UNIQUE (network_id, node_id, listen_address)",
    belongsTo("network_id", "networks"),
  ),
  configOf("networks_forwards_config", "networks_forwards", "network_forward_id"),
  table(
    "networks_peers",
    ID,
    "network_id INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "description TEXT NOT NULL",
    "target_network_project TEXT",
    "target_network_name TEXT",
    "target_network_id INTEGER",
    "UNIQUE (network_id, name)",
    belongsTo("network_id", "networks"),
  ),
  configOf("networks_peers_config", "networks_peers", "network_peer_id"),
  table(
    "networks_zones",
    ID,
    "name TEXT NOT NULL UNIQUE",
    "description TEXT NOT NULL",
    inProject[0],
    inProject[1],
  ),
  configOf("networks_zones_config", "networks_zones", "network_zone_id"),
  table(
    "networks_zones_records",
    ID,
    "network_zone_id INTEGER NOT NULL",
    "name TEXT NOT NULL UNIQUE",
    "description TEXT NOT NULL",
    "entries TEXT NOT NULL",
    belongsTo("network_zone_id", "networks_zones"),
  ),
  configOf("networks_zones_records_config", "networks_zones_records", "network_zone_record_id"),
  table(
    "storage_pools",
    ID,
    "name TEXT NOT NULL UNIQUE",
    "driver TEXT NOT NULL",
    "description TEXT NOT NULL DEFAULT ''",
    "state INTEGER NOT NULL DEFAULT 0",
  ),
  configOf("storage_pools_config", "storage_pools", "storage_pool_id", true),
  table(
    "storage_volumes",
    ID,
    "name TEXT NOT NULL",
    "storage_pool_id INTEGER NOT NULL",
    "node_id INTEGER",
    "type INTEGER NOT NULL",
    "description TEXT NOT NULL DEFAULT ''",
    "content_type INTEGER NOT NULL DEFAULT 0",
    inProject[0],
    "UNIQUE (storage_pool_id, node_id, project_id, name, type)",
    belongsTo("storage_pool_id", "storage_pools"),
    inProject[1],
  ),
  configOf("storage_volumes_config", "storage_volumes", "storage_volume_id"),
  table(
    "storage_volumes_snapshots",
    "id INTEGER NOT NULL UNIQUE",
    "storage_volume_id INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "description TEXT NOT NULL DEFAULT ''",
    "expiry_date TEXT",
    "UNIQUE (storage_volume_id, name)",
    belongsTo("storage_volume_id", "storage_volumes"),
  ),
  table(
    "storage_volumes_snapshots_config",
    ID,
    "storage_volume_snapshot_id INTEGER NOT NULL",
    "key TEXT NOT NULL",
    "value TEXT",
    "UNIQUE (storage_volume_snapshot_id, key)",
    "FOREIGN KEY (storage_volume_snapshot_id) REFERENCES storage_volumes_snapshots (id) ON DELETE CASCADE",
  ),
  table(
    "storage_volumes_backups",
    ID,
    "storage_volume_id INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "creation_date TEXT",
    "expiry_date TEXT",
    "volume_only INTEGER NOT NULL DEFAULT 0",
    "optimized_storage INTEGER NOT NULL DEFAULT 0",
    "UNIQUE (storage_volume_id, name)",
    belongsTo("storage_volume_id", "storage_volumes"),
  ),
  `CREATE VIEW storage_volumes_all AS
     SELECT id, name, storage_pool_id, node_id, type, description, project_id, content_type
       FROM storage_volumes
     UNION
     SELECT s.id, v.name || '/' || s.name, v.storage_pool_id, v.node_id, v.type, s.description,
            v.project_id, v.content_type
       FROM storage_volumes_snapshots s JOIN storage_volumes v ON v.id = s.storage_volume_id;`,
  table(
    "operations",
    ID,
    "uuid TEXT NOT NULL UNIQUE",
    "node_id INTEGER NOT NULL",
    "type INTEGER NOT NULL DEFAULT 0",
    "project_id INTEGER",
  ),
  table(
    "warnings",
    ID,
    "node_id INTEGER",
    "project_id INTEGER",
    "entity_type_code INTEGER",
    "entity_id INTEGER",
    "uuid TEXT NOT NULL UNIQUE",
    "type_code INTEGER NOT NULL",
    "status INTEGER NOT NULL",
    "first_seen_date TEXT NOT NULL",
    "last_seen_date TEXT NOT NULL",
    "updated_date TEXT",
    "last_message TEXT NOT NULL",
    "count INTEGER NOT NULL",
  ),
  `INSERT INTO nodes (id, name, description, address) VALUES (1, 'none', '', '0.0.0.0');
   INSERT INTO projects (id, name, description) VALUES (1, 'default', 'Default LXD project');
   INSERT INTO projects_config (project_id, key, value) VALUES
     (1, 'features.images', 'true'), (1, 'features.networks', 'true'),
     (1, 'features.profiles', 'true'), (1, 'features.storage.volumes', 'true');
   INSERT INTO profiles (id, name, description, project_id)
     VALUES (1, 'default', 'Default LXD profile', 1);`,
].join("\n");

const LOCAL_1 = [
  table("config", ID, "key TEXT NOT NULL UNIQUE", "value TEXT"),
  table(
    "certificates",
    ID,
    "fingerprint TEXT NOT NULL UNIQUE",
    "type INTEGER NOT NULL",
    "name TEXT NOT NULL",
    "certificate TEXT NOT NULL",
  ),
  table("patches", ID, "name TEXT NOT NULL UNIQUE", "applied_at TEXT NOT NULL"),
  table(
    "raft_nodes",
    ID,
    "address TEXT NOT NULL UNIQUE",
    "role INTEGER NOT NULL DEFAULT 0",
    "name TEXT NOT NULL DEFAULT ''",
  ),
  "INSERT INTO raft_nodes (id, address) VALUES (1, '');",
].join("\n");

export const GLOBAL_MIGRATIONS: readonly string[] = [
  GLOBAL_1,
  GLOBAL_2,
  DOCKER_PROFILE,
  ZONE_RECORD_NAMES,
];
export const LOCAL_MIGRATIONS: readonly string[] = [LOCAL_1, LOCAL_2];
