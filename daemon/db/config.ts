/** Config and devices of whatever has them: instances, snapshots, profiles, networks, pools, volumes. */
import { integer, text, type Tx } from "./db.ts";

export type Config = Readonly<Record<string, string>>;
export type Devices = Readonly<Record<string, Config>>;

/** Owner table -> column that names the owner in its config table, and in its devices table. */
const OWNER = {
  instances: { column: "instance_id", device: "instance_device_id" },
  instances_snapshots: { column: "instance_snapshot_id", device: "instance_snapshot_device_id" },
  profiles: { column: "profile_id", device: "profile_device_id" },
  projects: { column: "project_id", device: "" },
  networks: { column: "network_id", device: "" },
  networks_acls: { column: "network_acl_id", device: "" },
  networks_forwards: { column: "network_forward_id", device: "" },
  networks_zones: { column: "network_zone_id", device: "" },
  networks_zones_records: { column: "network_zone_record_id", device: "" },
  storage_pools: { column: "storage_pool_id", device: "" },
  storage_volumes: { column: "storage_volume_id", device: "" },
  storage_volumes_snapshots: { column: "storage_volume_snapshot_id", device: "" },
} as const;
export type ConfigOwner = keyof typeof OWNER;
export type DeviceOwner = "instances" | "instances_snapshots" | "profiles";

/** LXD's numbers for device types. */
const DEVICE_TYPES = [
  "none",
  "nic",
  "disk",
  "unix-char",
  "unix-block",
  "usb",
  "gpu",
  "infiniband",
  "proxy",
  "unix-hotplug",
  "tpm",
  "pci",
] as const;

/** Config of all owners at once: owner id -> config, keys sorted. */
export async function readAllConfig(
  tx: Tx,
  owner: ConfigOwner,
  id?: number,
): Promise<Map<number, Record<string, string>>> {
  const { column } = OWNER[owner];
  const where = id === undefined ? "" : `WHERE ${column} = ?`;
  const rows = await tx.all(
    `SELECT ${column} AS owner, key, value FROM ${owner}_config ${where} ORDER BY key`,
    ...(id === undefined ? [] : [id]),
  );
  const all = new Map<number, Record<string, string>>();
  for (const row of rows) {
    const key = integer(row, "owner");
    let config = all.get(key);
    if (config === undefined) all.set(key, config = {});
    config[text(row, "key")] = text(row, "value");
  }
  return all;
}

/** Of one owner; {} if it has none, or is not there. Keys sorted. */
export async function readConfig(tx: Tx, owner: ConfigOwner, id: number) {
  return (await readAllConfig(tx, owner, id)).get(id) ?? {};
}

/** Make the config exactly `config`; empty values are removed. */
export async function writeConfig(
  tx: Tx,
  owner: ConfigOwner,
  id: number,
  config: Config,
): Promise<void> {
  const { column } = OWNER[owner];
  await tx.run(`DELETE FROM ${owner}_config WHERE ${column} = ?`, id);
  for (const [key, value] of Object.entries(config)) {
    if (value === "") continue;
    await tx.run(
      `INSERT INTO ${owner}_config (${column}, key, value) VALUES (?, ?, ?)`,
      id,
      key,
      value,
    );
  }
}

/** Set some keys and remove others (undefined or empty). */
export async function patchConfig(
  tx: Tx,
  owner: ConfigOwner,
  id: number,
  changes: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { column } = OWNER[owner];
  for (const [key, value] of Object.entries(changes)) {
    await tx.run(`DELETE FROM ${owner}_config WHERE ${column} = ? AND key = ?`, id, key);
    if (value === undefined || value === "") continue;
    await tx.run(
      `INSERT INTO ${owner}_config (${column}, key, value) VALUES (?, ?, ?)`,
      id,
      key,
      value,
    );
  }
}

/** Devices of all owners at once: owner id -> device name -> its config with `type`. */
export async function readAllDevices(
  tx: Tx,
  owner: DeviceOwner,
  id?: number,
): Promise<Map<number, Record<string, Record<string, string>>>> {
  const { column, device } = OWNER[owner];
  const where = id === undefined ? "" : `WHERE d.${column} = ?`;
  const rows = await tx.all(
    `SELECT d.${column} AS owner, d.name, d.type, c.key, c.value FROM ${owner}_devices d
       LEFT JOIN ${owner}_devices_config c ON c.${device} = d.id ${where} ORDER BY d.name, c.key`,
    ...(id === undefined ? [] : [id]),
  );
  const all = new Map<number, Record<string, Record<string, string>>>();
  for (const row of rows) {
    const key = integer(row, "owner");
    let devices = all.get(key);
    if (devices === undefined) all.set(key, devices = {});
    const config = devices[text(row, "name")] ??= {
      type: DEVICE_TYPES[integer(row, "type")] ?? "none",
    };
    if (row["key"] !== null) config[text(row, "key")] = text(row, "value");
  }
  return all;
}

/** Of one owner; {} if it has none, or is not there. */
export async function readDevices(tx: Tx, owner: DeviceOwner, id: number) {
  return (await readAllDevices(tx, owner, id)).get(id) ?? {};
}

/** Replaces all that were there; empty values are not kept. */
export async function writeDevices(
  tx: Tx,
  owner: DeviceOwner,
  id: number,
  devices: Devices,
): Promise<void> {
  const { column, device } = OWNER[owner];
  await tx.run(`DELETE FROM ${owner}_devices WHERE ${column} = ?`, id);
  for (const [name, config] of Object.entries(devices)) {
    const type = (DEVICE_TYPES as readonly string[]).indexOf(config["type"] ?? "none");
    const { lastId } = await tx.run(
      `INSERT INTO ${owner}_devices (${column}, name, type) VALUES (?, ?, ?)`,
      id,
      name,
      type,
    );
    for (const [key, value] of Object.entries(config)) {
      if (key === "type" || value === "") continue;
      await tx.run(
        `INSERT INTO ${owner}_devices_config (${device}, key, value) VALUES (?, ?, ?)`,
        lastId,
        key,
        value,
      );
    }
  }
}
