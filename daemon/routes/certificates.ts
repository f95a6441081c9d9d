/** The trust store: who may connect over the network. */
import {
  deleteCertificate,
  getCertificate as getCertificateRow,
  getCertificates,
  patchCertificate,
  postCertificates,
  putCertificate,
} from "#api/routes/server.ts";
import { Fault } from "#base/errors.ts";
import { fingerprintOf, fromPem, toPem } from "#base/x509.ts";
import {
  type CertificateRow,
  getCertificate,
  insertCertificate,
  listCertificates,
  type NewCertificate,
  updateCertificate,
} from "#daemon/db/certificates.ts";
import type { Authority } from "#daemon/http/authority.ts";
import type { Caller } from "#daemon/http/caller.ts";
import {
  background,
  type BoundRoute,
  type Call,
  created,
  handle,
  type Reply,
  sync,
} from "#daemon/http/handle.ts";
import { list } from "#daemon/http/list.ts";
import { expiryAfter } from "#daemon/instances/snapshot_name.ts";
import type { OperationRegistry } from "#daemon/operations/registry.ts";
import { createToken, useToken } from "#daemon/operations/trust_tokens.ts";
import type { ServerSettings } from "#daemon/server_settings.ts";
import type { Services } from "#daemon/services.ts";
import { X509Certificate } from "node:crypto";
import type { ServerIdentity } from "./server.ts";

export interface TrustDeps {
  readonly settings: ServerSettings;
  readonly authority: Authority | undefined;
  readonly operations: OperationRegistry;
  readonly identity: ServerIdentity;
}

const render = ({ id: _, ...shown }: CertificateRow) => shown;
const urlOf = (fingerprint: string) => `/1.0/certificates/${fingerprint}`;
const isAdmin = (caller: Caller) => caller.trusted && caller.projects === "all";

type PostCall = Call<typeof postCertificates>;
type PutCall = Call<typeof putCertificate>;

/** `POST` is open to strangers with a token or the trust password. */
export function certificateRoutes(deps: TrustDeps): BoundRoute[] {
  return [
    handle(getCertificates, async ({ db }, call) => {
      const all = await db.read(listCertificates);
      return list(call, all.map(render), ({ fingerprint }) => urlOf(fingerprint));
    }),
    handle(postCertificates, (services, call) => add(services, deps, call)),
    handle(getCertificateRow, async ({ db }, { params }) => {
      const found = render(await db.read((tx) => getCertificate(tx, params.fingerprint)));
      return sync(found, { etag: found });
    }),
    handle(putCertificate, (services, call) => update(services, call, false)),
    handle(patchCertificate, (services, call) => update(services, call, true)),
    handle(deleteCertificate, async ({ db, events }, { params, caller }) => {
      const { fingerprint } = await db.write(async (tx) => {
        const found = await getCertificate(tx, params.fingerprint);
        requireOwn(caller, found);
        await tx.run("DELETE FROM certificates WHERE id = ?", found.id);
        return found;
      });
      const source = urlOf(fingerprint);
      events.lifecycle({ action: "certificate-deleted", source, project: "", caller });
      return sync();
    }),
  ];
}

/** Everybody else but administrators may only touch the certificate that they show. */
function requireOwn(caller: Caller, { fingerprint }: CertificateRow): void {
  const isOwn = caller.protocol === "tls" && caller.trusted && caller.fingerprint === fingerprint;
  if (!isAdmin(caller) && !isOwn) throw new Fault("not_authorized", "not authorized");
}

async function add(services: Services, deps: TrustDeps, call: PostCall): Promise<Reply> {
  const { body, caller } = call;
  const wish = await permit(deps, call);
  if (isAdmin(caller) && body.token === true) return background(await issueToken(deps, call));
  const der = givenCertificate(body.certificate, caller);
  if (!caller.trusted && deps.authority?.accepts(der) === false) {
    throw new Fault("not_authorized", "not authorized");
  }
  const fingerprint = await fingerprintOf(der);
  await services.db.write((tx) =>
    insertCertificate(tx, {
      ...wish,
      name: wish.name || hostOf(caller),
      certificate: toPem("CERTIFICATE", der),
      fingerprint,
    })
  );
  const source = urlOf(fingerprint);
  services.events.lifecycle({ action: "certificate-created", source, project: "", caller });
  return created(source);
}

/** What the caller may have: an administrator anything, others what their token or password gives. */
async function permit(
  { settings, operations }: TrustDeps,
  { body, caller }: PostCall,
): Promise<Omit<NewCertificate, "certificate" | "fingerprint">> {
  const { name = "", type = "client", restricted = false, projects = [], password = "" } = body;
  if (isAdmin(caller)) return { name, type, restricted, projects };
  const token = useToken(operations, password);
  if (token !== undefined) return token;
  if (!await settings.isTrustPassword(password)) {
    throw new Fault("not_authorized", "not authorized");
  }
  return { name, type: "client", restricted: false, projects: [] };
}

async function issueToken({ settings, operations, identity }: TrustDeps, call: PostCall) {
  const { name = "", type = "client", restricted = false, projects = [] } = call.body;
  if (name === "") {
    throw new Fault("bad_request", "a token needs the name of the client that will use it");
  }
  const now = new Date();
  const expires = expiryAfter(now, await settings.value("core.remote_token_expiry"));
  return createToken(operations, {
    grant: { name, type, restricted, projects },
    fingerprint: identity.fingerprint,
    addresses: await identity.addresses(),
    expiresAt: expires === "" ? undefined : new Date(expires),
    caller: call.caller,
  });
}

async function update(services: Services, call: PutCall, isPatch: boolean): Promise<Reply> {
  const { body, caller } = call;
  const source = await services.db.write(async (tx) => {
    const before = await getCertificate(tx, call.params.fingerprint);
    call.ifMatch(render(before));
    requireOwn(caller, before);
    const base = isPatch
      ? before
      : { name: "", type: before.type, restricted: false, projects: [] };
    const next = {
      name: body.name ?? base.name,
      type: body.type ?? base.type,
      restricted: body.restricted ?? base.restricted,
      projects: body.projects ?? base.projects,
      ...await materialOf(body.certificate || before.certificate),
    };
    if (!isAdmin(caller) && !isSameGrant(before, next)) {
      throw new Fault("not_authorized", "Only the certificate can be changed");
    }
    await updateCertificate(tx, before, next);
    return urlOf(next.fingerprint);
  });
  services.events.lifecycle({ action: "certificate-updated", source, project: "", caller });
  return sync();
}

function isSameGrant(a: Omit<NewCertificate, "id">, b: NewCertificate): boolean {
  return a.name === b.name && a.type === b.type && a.restricted === b.restricted &&
    a.projects.toSorted().join() === b.projects.toSorted().join();
}

async function materialOf(pem: string): Promise<{ certificate: string; fingerprint: string }> {
  const der = parseCertificate(pem);
  return { certificate: toPem("CERTIFICATE", der), fingerprint: await fingerprintOf(der) };
}

function hostOf(caller: Caller): string {
  return "address" in caller ? caller.address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") : "";
}

/** The certificate in the body (base64 DER or PEM), or the one of the caller's own handshake. */
function givenCertificate(given: string | undefined, caller: Caller): Uint8Array {
  if (given !== undefined && given !== "") return parseCertificate(given);
  // Ansible shows its certificate with every call, and knows this answer.
  if (caller.protocol === "tls" && caller.trusted) {
    throw new Fault("conflict", "Certificate already in trust store");
  }
  const own = "certificate" in caller ? caller.certificate : undefined;
  if (own === undefined) throw new Fault("bad_request", "No client certificate provided");
  return own;
}

/** @throws {Fault} bad_request unless it is a certificate, in base64 or PEM. */
function parseCertificate(text: string): Uint8Array {
  try {
    const der = text.includes("BEGIN CERTIFICATE")
      ? fromPem(text)
      : new Uint8Array(Buffer.from(text.replace(/\s+/g, ""), "base64"));
    new X509Certificate(Buffer.from(der));
    return der;
  } catch (error) {
    throw new Fault("bad_request", "Invalid certificate material: not an X.509 certificate", {
      cause: error,
      hint: "It is sent as PEM, or as base64 of its DER form.",
    });
  }
}
