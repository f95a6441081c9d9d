/**
 * Records of different zones may have one name: each zone has its "www". LXD's table has the names
 * unique over all zones. SQLite can't change a constraint: the tables are made anew.
 */
export const ZONE_RECORD_NAMES = `
  CREATE TABLE new_records (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    network_zone_id INTEGER NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
    entries TEXT NOT NULL, UNIQUE (network_zone_id, name),
    FOREIGN KEY (network_zone_id) REFERENCES networks_zones (id) ON DELETE CASCADE) STRICT;
  INSERT INTO new_records SELECT id, network_zone_id, name, description, entries
    FROM networks_zones_records;
  CREATE TABLE new_records_config (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    network_zone_record_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT,
    UNIQUE (network_zone_record_id, key),
    FOREIGN KEY (network_zone_record_id) REFERENCES new_records (id) ON DELETE CASCADE) STRICT;
  INSERT INTO new_records_config SELECT id, network_zone_record_id, key, value
    FROM networks_zones_records_config;
  DROP TABLE networks_zones_records_config;
  DROP TABLE networks_zones_records;
  ALTER TABLE new_records RENAME TO networks_zones_records;
  ALTER TABLE new_records_config RENAME TO networks_zones_records_config;`;
