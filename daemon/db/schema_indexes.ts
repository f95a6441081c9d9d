/** The second migrations: indexes, guards of the ids, and LXD's patches as done. Append-only. */

const index = (table: string, ...columns: string[]) =>
  `CREATE INDEX ${table}_${columns.join("_and_")}_idx ON ${table} (${columns.join(", ")});`;

/** Volumes and their snapshots share one sequence of ids: `storage_volumes_all` shows both. */
const guard = (table: string, other: string) =>
  `CREATE TRIGGER ${table}_check_id BEFORE INSERT ON ${table}
     WHEN NEW.id IN (SELECT id FROM ${other})
     BEGIN SELECT RAISE(FAIL, 'invalid ID'); END;`;

export const GLOBAL_2 = [
  index("images", "project_id"),
  index("images_aliases", "project_id"),
  index("instances", "node_id"),
  index("instances", "project_id"),
  index("profiles", "project_id"),
  guard("storage_volumes", "storage_volumes_snapshots"),
  guard("storage_volumes_snapshots", "storage_volumes"),
].join("\n");

/**
 * What LXD 5.0.2 once changed in old installations. A new database needs none of it, and says so:
 * programs look into this table.
 */
const PATCHES = [
  "storage_lvm_skipactivation",
  "clustering_drop_database_role",
  "network_clear_bridge_volatile_hwaddr",
  "move_backups_instances",
  "network_ovn_enable_nat",
  "network_ovn_remove_routes",
  "network_fan_enable_nat",
  "thinpool_typo_fix",
  "vm_rename_uuid_key",
  "db_nodes_autoinc",
  "network_acl_remove_defaults",
  "clustering_server_cert_trust",
  "warnings_remove_empty_node",
  "dnsmasq_entries_include_device_name",
  "storage_missing_snapshot_records",
  "pool_fix_default_permissions",
];

export const LOCAL_2 = PATCHES.map((name) =>
  `INSERT OR IGNORE INTO patches (name, applied_at) VALUES ('${name}', datetime('now'));`
).join("\n");
