/** Table `warnings`: one row per kind, project and entity, counted up when it is seen again. */
import { trimmedTime } from "#base/time.ts";
import { Fault } from "#base/errors.ts";
import { integer, type Row, text, type Tx } from "./db.ts";
import { getProject } from "./projects.ts";

export interface WarningType {
  readonly code: number;
  readonly name: string;
  readonly severity: "low" | "moderate" | "high";
}

/** LXD's codes, names and severities. */
export const WARNING_TYPES = {
  undefined: { code: 0, name: "Undefined warning", severity: "low" },
  blkio: { code: 1, name: "Couldn't find the CGroup blkio", severity: "low" },
  blkioWeight: { code: 2, name: "Couldn't find the CGroup blkio.weight", severity: "low" },
  cpu: { code: 3, name: "Couldn't find the CGroup CPU controller", severity: "low" },
  cpuset: { code: 4, name: "Couldn't find the CGroup CPUset controller", severity: "low" },
  cpuacct: { code: 5, name: "Couldn't find the CGroup CPUacct controller", severity: "low" },
  devices: { code: 6, name: "Couldn't find the CGroup devices controller", severity: "low" },
  freezer: { code: 7, name: "Couldn't find the CGroup freezer controller", severity: "low" },
  hugetlb: { code: 8, name: "Couldn't find the CGroup hugetlb controller", severity: "low" },
  memory: { code: 9, name: "Couldn't find the CGroup memory controller", severity: "low" },
  netPriority: {
    code: 10,
    name: "Couldn't find the CGroup network priority controller",
    severity: "low",
  },
  pids: { code: 11, name: "Couldn't find the CGroup pids controller", severity: "low" },
  memorySwap: {
    code: 12,
    name: "Couldn't find the CGroup memory swap accounting",
    severity: "low",
  },
  timeSkew: {
    code: 13,
    name: "Time skew detected between leader and local",
    severity: "moderate",
  },
  appArmor: { code: 14, name: "AppArmor support has been disabled", severity: "low" },
  virtiofsd: { code: 15, name: "Missing virtiofsd", severity: "low" },
  maas: { code: 16, name: "Unable to connect to MAAS", severity: "low" },
  rawDnsmasq: {
    code: 17,
    name: "Skipping AppArmor for dnsmasq due to raw.dnsmasq being set",
    severity: "low",
  },
  largePrefix: {
    code: 18,
    name: "IPv6 networks with a prefix larger than 64 aren't properly supported by dnsmasq",
    severity: "low",
  },
  bridgeNetfilter: {
    code: 19,
    name: "Proxy bridge netfilter not enabled",
    severity: "low",
  },
  network: { code: 20, name: "Network unavailable", severity: "high" },
  offlineMember: { code: 21, name: "Offline cluster member", severity: "low" },
  autostart: { code: 22, name: "Failed to autostart instance", severity: "low" },
  instanceType: { code: 23, name: "Instance type not operational", severity: "low" },
  pool: { code: 24, name: "Storage pool unavailable", severity: "high" },
  clusterCertificate: {
    code: 25,
    name: "Unable to update cluster certificate",
    severity: "low",
  },
} as const satisfies Record<string, WarningType>;
export type WarningName = keyof typeof WARNING_TYPES;

const BY_CODE = new Map<number, WarningType>(
  Object.values(WARNING_TYPES).map((type) => [type.code, type]),
);

/** What a warning may be about: LXD's code -> table, and the URL of a row. */
const ENTITIES: Readonly<Record<number, { table: string; path: string; column?: string }>> = {
  0: { table: "instances", path: "/1.0/instances" },
  1: { table: "images", path: "/1.0/images", column: "fingerprint" },
  2: { table: "profiles", path: "/1.0/profiles" },
  3: { table: "projects", path: "/1.0/projects" },
  4: { table: "certificates", path: "/1.0/certificates", column: "fingerprint" },
  5: { table: "instances", path: "/1.0/instances" },
  8: { table: "networks", path: "/1.0/networks" },
  12: { table: "storage_pools", path: "/1.0/storage-pools" },
};
export const INSTANCE_ENTITY = 5;
export const NETWORK_ENTITY = 8;

const STATUS = ["", "new", "acknowledged", "resolved"] as const;
const [NEW, ACKNOWLEDGED, RESOLVED] = [1, 2, 3] as const;

export interface Warning {
  readonly uuid: string;
  readonly location: string;
  readonly project: string;
  readonly type: string;
  readonly count: number;
  readonly first_seen_at: string;
  readonly last_seen_at: string;
  readonly last_message: string;
  readonly severity: string;
  readonly status: string;
  readonly entity_url: string;
}

const COLUMNS = "w.uuid, p.name AS project, w.type_code, w.status, w.first_seen_date, " +
  "w.last_seen_date, w.last_message, w.count, w.entity_type_code, w.entity_id";
const FROM = "FROM warnings w LEFT JOIN projects p ON p.id = w.project_id";

/** Those seen last come first. */
export async function listWarnings(tx: Tx): Promise<Warning[]> {
  const rows = await tx.all(`SELECT ${COLUMNS} ${FROM} ORDER BY w.last_seen_date DESC, w.id`);
  return await Promise.all(rows.map((row) => toWarning(tx, row)));
}

/** @throws {Fault} not_found */
export async function getWarning(tx: Tx, uuid: string): Promise<Warning> {
  const row = await tx.get(`SELECT ${COLUMNS} ${FROM} WHERE w.uuid = ?`, uuid);
  if (row === undefined) throw new Fault("not_found", "Warning not found");
  return await toWarning(tx, row);
}

async function toWarning(tx: Tx, row: Row): Promise<Warning> {
  const type = BY_CODE.get(integer(row, "type_code")) ?? WARNING_TYPES.undefined;
  return {
    uuid: text(row, "uuid"),
    location: "none",
    project: text(row, "project"),
    type: type.name,
    count: integer(row, "count"),
    first_seen_at: trimmedTime(text(row, "first_seen_date")),
    last_seen_at: trimmedTime(text(row, "last_seen_date")),
    last_message: text(row, "last_message"),
    severity: type.severity,
    status: STATUS[integer(row, "status")] ?? "",
    entity_url: await entityUrl(tx, row),
  };
}

/** "" for a warning about nothing, or about something that is gone. */
async function entityUrl(tx: Tx, row: Row): Promise<string> {
  const entity = ENTITIES[integer(row, "entity_type_code")];
  if (row["entity_type_code"] === null || entity === undefined) return "";
  const { table, path, column = "name" } = entity;
  const found = await tx.get(
    `SELECT ${column} AS name FROM ${table} WHERE id = ?`,
    integer(row, "entity_id"),
  );
  const project = text(row, "project");
  const suffix = project === "" || project === "default" ? "" : `?project=${project}`;
  return found === undefined ? "" : `${path}/${text(found, "name")}${suffix}`;
}

export interface WarningWish {
  readonly code: number;
  readonly message: string;
  /** "" or absent: of no project. */
  readonly project?: string;
  readonly entity?: { readonly typeCode: number; readonly id: number };
}

/** Raise it: a new row, or one more of the same. A resolved one becomes new; an acknowledged stays so. */
export async function raiseWarning(tx: Tx, wish: WarningWish): Promise<void> {
  if (!BY_CODE.has(wish.code)) {
    throw new Fault("bad_request", `Invalid warning type code: ${wish.code}`);
  }
  const project = (wish.project ?? "") === ""
    ? null
    : (await getProject(tx, wish.project ?? "")).id;
  await requireEntity(tx, wish);
  const key = [wish.code, project, wish.entity?.typeCode ?? null, wish.entity?.id ?? null] as const;
  const now = new Date().toISOString();
  const before = await tx.get(
    "SELECT id, status FROM warnings WHERE type_code = ? AND project_id IS ? " +
      "AND entity_type_code IS ? AND entity_id IS ?",
    ...key,
  );
  if (before === undefined) {
    await tx.run(
      "INSERT INTO warnings (type_code, project_id, entity_type_code, entity_id, node_id, uuid, " +
        "status, first_seen_date, last_seen_date, updated_date, last_message, count) " +
        "VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, 1)",
      ...key,
      crypto.randomUUID(),
      NEW,
      now,
      now,
      now,
      wish.message,
    );
    return;
  }
  const status = integer(before, "status");
  await tx.run(
    "UPDATE warnings SET last_message = ?, last_seen_date = ?, count = count + 1, status = ? " +
      "WHERE id = ?",
    wish.message,
    now,
    status === RESOLVED ? NEW : status,
    integer(before, "id"),
  );
}

async function requireEntity(tx: Tx, { entity }: WarningWish): Promise<void> {
  if (entity === undefined) return;
  const table = ENTITIES[entity.typeCode]?.table;
  const row = table === undefined
    ? undefined
    : await tx.get(`SELECT id FROM ${table} WHERE id = ?`, entity.id);
  if (row === undefined) {
    throw new Fault(
      "bad_request",
      `there is no entity with type code ${entity.typeCode} and id ${entity.id}`,
    );
  }
}

/** @throws {Fault} not_found */
export async function setWarningStatus(
  tx: Tx,
  uuid: string,
  status: "new" | "acknowledged",
): Promise<void> {
  const { changes } = await tx.run(
    "UPDATE warnings SET status = ?, updated_date = ? WHERE uuid = ?",
    status === "new" ? NEW : ACKNOWLEDGED,
    new Date().toISOString(),
    uuid,
  );
  if (changes === 0) throw new Fault("not_found", "Warning not found");
}

/** What it warned of is over. */
export async function resolveWarnings(
  tx: Tx,
  code: number,
  entity?: { readonly typeCode: number; readonly id: number },
): Promise<void> {
  await tx.run(
    "UPDATE warnings SET status = ?, updated_date = ? WHERE type_code = ? AND status != ? " +
      "AND entity_type_code IS ? AND entity_id IS ?",
    RESOLVED,
    new Date().toISOString(),
    code,
    RESOLVED,
    entity?.typeCode ?? null,
    entity?.id ?? null,
  );
}

/** @throws {Fault} not_found */
export async function deleteWarning(tx: Tx, uuid: string): Promise<void> {
  const { changes } = await tx.run("DELETE FROM warnings WHERE uuid = ?", uuid);
  if (changes === 0) throw new Fault("not_found", "Warning not found");
}

/** Those that were resolved a day ago. */
export async function pruneWarnings(tx: Tx, now: Date): Promise<void> {
  const dayAgo = new Date(now.getTime() - 24 * 60 * 60 * 1000).toISOString();
  await tx.run("DELETE FROM warnings WHERE status = ? AND updated_date < ?", RESOLVED, dayAgo);
}
