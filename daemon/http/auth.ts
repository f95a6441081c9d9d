/** Who is calling: the kernel's word on the unix socket, the certificate on the network. */
import { fd } from "#base/brand.ts";
import { isFalse, isTrue } from "#base/units.ts";
import type { Database } from "#daemon/db/db.ts";
import { integer, text } from "#daemon/db/db.ts";
import { peerCredentials } from "#ffi/libc/peer.ts";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ServerSettings } from "#daemon/server_settings.ts";
import type { Authority } from "./authority.ts";
import type { Caller } from "./caller.ts";
import { clientAddress } from "./proxy_header.ts";

export interface IdentifyDeps {
  readonly db: Database;
  readonly settings: Pick<ServerSettings, "value">;
  readonly authority: Authority | undefined;
}

/** Callers are judged once per connection; for TLS again when the trust store changed. */
export function createIdentify(
  deps: IdentifyDeps,
): (request: IncomingMessage) => Promise<Caller> {
  const { db } = deps;
  const known = new WeakMap<Socket, { caller: Caller; version: number }>();
  return async (request) => {
    const { socket } = request;
    const before = known.get(socket);
    const isTls = (socket as TLSSocket).encrypted === true;
    if (before !== undefined && (!isTls || before.version === db.version)) return before.caller;
    const { version } = db;
    const caller = isTls ? await tlsCaller(deps, socket as TLSSocket) : unixCaller(socket);
    known.set(socket, { caller, version });
    return caller;
  };
}

function unixCaller(socket: Socket): Caller {
  const handle = (socket as unknown as { _handle: { fd: number } })._handle;
  const { pid, uid, gid } = peerCredentials(fd(handle.fd));
  return {
    protocol: "unix",
    pid,
    uid,
    gid,
    username: userName(uid),
    trusted: true,
    projects: "all",
  };
}

function userName(uid: number): string {
  if (uid === 0) return "root";
  try {
    for (const line of Deno.readTextFileSync("/etc/passwd").split("\n")) {
      const [name, , id] = line.split(":");
      if (id === String(uid)) return name ?? "";
    }
  } catch {
    // Ignored: a host without /etc/passwd has no names.
  }
  return String(uid);
}

const METRICS_TYPE = 3;

async function tlsCaller(
  { db, settings, authority }: IdentifyDeps,
  socket: TLSSocket,
): Promise<Caller> {
  const peer = socket.getPeerCertificate(false) as PeerCertificate | undefined;
  const address = clientAddress(socket);
  const isOpen = isFalse(await settings.value("core.metrics_authentication"));
  const nobody = { ...untrusted(address), ...(isOpen && { mayReadMetrics: true as const }) };
  if (peer?.raw === undefined) return nobody;
  const stranger = { ...nobody, certificate: peer.raw };
  if (!isInTime(peer) || authority?.accepts(peer.raw) === false) return stranger;
  const fingerprint = createHash("sha256").update(peer.raw).digest("hex");
  const known = { protocol: "tls", fingerprint, address, username: fingerprint } as const;
  if (authority !== undefined && isTrue(await settings.value("core.trust_ca_certificates"))) {
    return { ...known, trusted: true, projects: "all" };
  }
  const row = await db.read((tx) =>
    tx.get("SELECT id, type, restricted FROM certificates WHERE fingerprint = ?", fingerprint)
  );
  if (row === undefined) return stranger;
  if (integer(row, "type") === METRICS_TYPE) return { ...stranger, mayReadMetrics: true };
  const projects = integer(row, "restricted") === 0
    ? "all" as const
    : await projectsOf(db, row["id"]);
  return { ...known, trusted: true, projects };
}

interface PeerCertificate {
  readonly raw?: Uint8Array;
  readonly valid_from: string;
  readonly valid_to: string;
}

/** Nobody else checks it: trust is by fingerprint. */
function isInTime({ valid_from: from, valid_to: to }: PeerCertificate): boolean {
  const now = Date.now();
  return Date.parse(from) <= now && now <= Date.parse(to);
}

function untrusted(address: string): Caller & { trusted: false } {
  return { protocol: "tls", address, username: "", trusted: false, projects: [] };
}

async function projectsOf(db: Database, certificate: unknown): Promise<string[]> {
  const rows = await db.read((tx) =>
    tx.all(
      "SELECT p.name FROM projects p JOIN certificates_projects c ON c.project_id = p.id " +
        "WHERE c.certificate_id = ?",
      Number(certificate),
    )
  );
  return rows.map((row) => text(row, "name"));
}
