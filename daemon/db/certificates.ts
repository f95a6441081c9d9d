/** The trust store. */
import { Fault } from "#base/errors.ts";
import { integer, type Row, text, type Tx } from "./db.ts";

/** By number in the table. */
const CERTIFICATE_TYPES = ["", "client", "server", "metrics"];

export interface CertificateRow {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly restricted: boolean;
  readonly projects: readonly string[];
  /** PEM */
  readonly certificate: string;
  readonly fingerprint: string;
}

export type NewCertificate = Omit<CertificateRow, "id">;

async function toCertificate(tx: Tx, row: Row): Promise<CertificateRow> {
  const projects = await tx.all(
    "SELECT p.name FROM projects p JOIN certificates_projects c ON c.project_id = p.id " +
      "WHERE c.certificate_id = ? ORDER BY p.name",
    integer(row, "id"),
  );
  return {
    id: integer(row, "id"),
    name: text(row, "name"),
    type: CERTIFICATE_TYPES[integer(row, "type")] ?? "client",
    restricted: integer(row, "restricted") !== 0,
    projects: projects.map((one) => text(one, "name")),
    certificate: text(row, "certificate"),
    fingerprint: text(row, "fingerprint"),
  };
}

/** By fingerprint. */
export async function listCertificates(tx: Tx): Promise<CertificateRow[]> {
  const rows = await tx.all("SELECT * FROM certificates ORDER BY fingerprint");
  return await Promise.all(rows.map((row) => toCertificate(tx, row)));
}

/** By full fingerprint or a unique prefix. @throws {Fault} not_found, bad_request */
export async function getCertificate(tx: Tx, prefix: string): Promise<CertificateRow> {
  const rows = await tx.all(
    "SELECT * FROM certificates WHERE substr(fingerprint, 1, ?) = ?",
    prefix.length,
    prefix,
  );
  if (rows.length > 1) throw new Fault("bad_request", "More than one certificate matches");
  const [row] = rows;
  if (row === undefined || prefix === "") throw new Fault("not_found", "Certificate not found");
  return await toCertificate(tx, row);
}

/** @throws {Fault} conflict if it is trusted already, not_found for an unknown project. */
export async function insertCertificate(tx: Tx, added: NewCertificate): Promise<void> {
  await refuseKnown(tx, added.fingerprint);
  const { lastId } = await tx.run(
    "INSERT INTO certificates (fingerprint, type, name, certificate, restricted) " +
      "VALUES (?, ?, ?, ?, ?)",
    added.fingerprint,
    typeNumber(added.type),
    added.name,
    added.certificate,
    Number(added.restricted),
  );
  await writeProjects(tx, lastId, added.projects);
}

/** @throws {Fault} as insertCertificate */
export async function updateCertificate(
  tx: Tx,
  before: CertificateRow,
  next: NewCertificate,
): Promise<void> {
  if (next.fingerprint !== before.fingerprint) await refuseKnown(tx, next.fingerprint);
  await tx.run(
    "UPDATE certificates SET fingerprint = ?, type = ?, name = ?, certificate = ?, " +
      "restricted = ? WHERE id = ?",
    next.fingerprint,
    typeNumber(next.type),
    next.name,
    next.certificate,
    Number(next.restricted),
    before.id,
  );
  await writeProjects(tx, before.id, next.projects);
}

async function refuseKnown(tx: Tx, fingerprint: string): Promise<void> {
  const known = await tx.get("SELECT 1 FROM certificates WHERE fingerprint = ?", fingerprint);
  if (known !== undefined) throw new Fault("conflict", "Certificate already in trust store");
}

/** @throws {Fault} bad_request */
function typeNumber(type: string): number {
  const number = CERTIFICATE_TYPES.indexOf(type);
  if (number > 0) return number;
  throw new Fault("bad_request", `Unknown request type "${type}"`, {
    hint: `Use one of ${CERTIFICATE_TYPES.slice(1).join(", ")}.`,
  });
}

async function writeProjects(
  tx: Tx,
  certificate: number,
  projects: readonly string[],
): Promise<void> {
  await tx.run("DELETE FROM certificates_projects WHERE certificate_id = ?", certificate);
  for (const name of new Set(projects)) {
    const { changes } = await tx.run(
      "INSERT INTO certificates_projects (certificate_id, project_id) " +
        "SELECT ?, id FROM projects WHERE name = ?",
      certificate,
      name,
    );
    if (changes === 0) throw new Fault("not_found", `Project "${name}" not found`);
  }
}
