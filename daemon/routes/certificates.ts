/** The trust store. */
import {
  deleteCertificate,
  getCertificate,
  getCertificates,
  patchCertificate,
  postCertificates,
  putCertificate,
} from "#api/routes/server.ts";
import { Fault } from "#base/errors.ts";
import { fingerprintOf, fromPem, toPem } from "#base/x509.ts";
import { integer, type Row, text, type Tx } from "#daemon/db/db.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list } from "#daemon/http/list.ts";
import type { ServerSettings } from "#daemon/server_settings.ts";
import type { Services } from "#daemon/services.ts";

const TYPES = ["", "client", "server", "metrics"];

async function render(tx: Tx, row: Row) {
  const projects = await tx.all(
    "SELECT p.name FROM projects p JOIN certificates_projects c ON c.project_id = p.id " +
      "WHERE c.certificate_id = ? ORDER BY p.name",
    integer(row, "id"),
  );
  return {
    name: text(row, "name"),
    type: TYPES[integer(row, "type")] ?? "client",
    restricted: integer(row, "restricted") !== 0,
    projects: projects.map((one) => text(one, "name")),
    certificate: text(row, "certificate"),
    fingerprint: text(row, "fingerprint"),
  };
}

/** By full fingerprint or a unique prefix. @throws {Fault} not_found, bad_request */
async function find(tx: Tx, prefix: string): Promise<Row> {
  const rows = await tx.all(
    "SELECT * FROM certificates WHERE substr(fingerprint, 1, ?) = ?",
    prefix.length,
    prefix,
  );
  if (rows.length > 1) throw new Fault("bad_request", "More than one certificate matches");
  const [row] = rows;
  if (row === undefined || prefix === "") throw new Fault("not_found", "Certificate not found");
  return row;
}

async function update(
  services: Services,
  call: Call<typeof putCertificate>,
  isPatch: boolean,
) {
  await services.db.write(async (tx) => {
    const row = await find(tx, call.params.fingerprint);
    call.ifMatch(await render(tx, row));
    const { body } = call;
    const type = body.type === undefined ? integer(row, "type") : TYPES.indexOf(body.type);
    if (type < 1) throw new Fault("bad_request", `Unknown request type "${body.type}"`);
    const restricted = body.restricted === undefined && isPatch
      ? integer(row, "restricted")
      : Number(body.restricted === true);
    await tx.run(
      "UPDATE certificates SET name = ?, type = ?, restricted = ? WHERE id = ?",
      body.name ?? (isPatch ? text(row, "name") : ""),
      type,
      restricted,
      integer(row, "id"),
    );
    if (body.projects !== undefined || !isPatch) {
      await setProjects(tx, integer(row, "id"), names(body.projects));
    }
  });
  return sync();
}

async function setProjects(tx: Tx, certificate: number, projects: readonly string[]) {
  await tx.run("DELETE FROM certificates_projects WHERE certificate_id = ?", certificate);
  for (const name of projects) {
    const { changes } = await tx.run(
      "INSERT INTO certificates_projects (certificate_id, project_id) " +
        "SELECT ?, id FROM projects WHERE name = ?",
      certificate,
      name,
    );
    if (changes === 0) throw new Fault("not_found", `Project "${name}" not found`);
  }
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function certificateRoutes(settings: ServerSettings): BoundRoute[] {
  return [
    handle(getCertificates, async ({ db }, call) => {
      const all = await db.read(async (tx) => {
        const rows = await tx.all("SELECT * FROM certificates ORDER BY fingerprint");
        return await Promise.all(rows.map((row) => render(tx, row)));
      });
      return list(call, all, ({ fingerprint }) => `/1.0/certificates/${fingerprint}`);
    }),
    handle(postCertificates, async ({ db, events }, { body, caller }) => {
      const isAdmin = caller.trusted && caller.projects === "all";
      if (!isAdmin && !await settings.isTrustPassword(body.password ?? "")) {
        throw new Fault("not_authorized", "not authorized");
      }
      if (body.token === true) {
        throw new Fault("not_implemented", "Trust tokens are not supported yet", {
          hint: "Set core.trust_password, or add the certificate file.",
        });
      }
      const der = givenCertificate(body.certificate, caller);
      const fingerprint = await fingerprintOf(der);
      const type = TYPES.indexOf(body.type ?? "client");
      if (type < 1) throw new Fault("bad_request", `Unknown certificate type "${body.type}"`);
      await db.write(async (tx) => {
        const existing = await tx.get(
          "SELECT 1 FROM certificates WHERE fingerprint = ?",
          fingerprint,
        );
        if (existing !== undefined) {
          throw new Fault("conflict", "Certificate already in trust store");
        }
        const { lastId } = await tx.run(
          "INSERT INTO certificates (fingerprint, type, name, certificate, restricted) " +
            "VALUES (?, ?, ?, ?, ?)",
          fingerprint,
          type,
          body.name ?? "",
          toPem("CERTIFICATE", der),
          Number(body.restricted === true),
        );
        await setProjects(tx, lastId, names(body.projects));
      });
      const location = `/1.0/certificates/${fingerprint}`;
      events.lifecycle({ action: "certificate-created", source: location, project: "", caller });
      return created(location);
    }),
    handle(getCertificate, async ({ db }, { params }) => {
      const object = await db.read(async (tx) => render(tx, await find(tx, params.fingerprint)));
      return sync(object, { etag: object });
    }),
    handle(putCertificate, (services, call) => update(services, call, false)),
    handle(patchCertificate, (services, call) => update(services, call as never, true)),
    handle(deleteCertificate, async ({ db, events }, { params, caller }) => {
      const fingerprint = await db.write(async (tx) => {
        const row = await find(tx, params.fingerprint);
        await tx.run("DELETE FROM certificates WHERE id = ?", integer(row, "id"));
        return text(row, "fingerprint");
      });
      const source = `/1.0/certificates/${fingerprint}`;
      events.lifecycle({ action: "certificate-deleted", source, project: "", caller });
      return sync();
    }),
  ];
}

/** The certificate in the body (base64 DER or PEM), or the one of the caller's own handshake. */
function givenCertificate(
  given: string | undefined,
  caller: { certificate?: Uint8Array } | object,
): Uint8Array {
  if (given !== undefined && given !== "") {
    try {
      if (given.includes("BEGIN CERTIFICATE")) return fromPem(given);
      return Uint8Array.from(atob(given.replace(/\s+/g, "")), (letter) => letter.charCodeAt(0));
    } catch (error) {
      throw new Fault("bad_request", "Invalid certificate material: not base64", { cause: error });
    }
  }
  const own = "certificate" in caller ? caller.certificate : undefined;
  if (own === undefined) throw new Fault("bad_request", "No client certificate provided");
  return own;
}
