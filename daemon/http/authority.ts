/**
 * PKI mode: with server.ca beside server.crt only clients whose certificate that authority signed
 * are let in, and none that ca.crl revokes. The runtime checks no chain for us: see docs/platform.md
 */
import { Fault, messageOf } from "#base/errors.ts";
import { fromPem } from "#base/x509.ts";
import { readIfThere } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";
import { verify, X509Certificate } from "node:crypto";
import { type DerValue, hexOf, insideOf, parseDer, TAG } from "./der.ts";

export interface Authority {
  /** Signed by the authority and not revoked; dates are checked elsewhere. */
  accepts(certificate: Uint8Array): boolean;
}

/** @throws {Fault} bad_request if the files are there and can't be used. */
export async function loadAuthority(paths: Paths): Promise<Authority | undefined> {
  try {
    const pem = await readIfThere(paths.at("server.ca"));
    if (pem === undefined) return undefined;
    return createAuthority(pem, await readIfThere(paths.at("ca.crl")));
  } catch (error) {
    throw new Fault("bad_request", `cannot use server.ca and ca.crl: ${messageOf(error)}`, {
      cause: error,
      hint: "Only clients of that authority may connect: mend the files, or remove them.",
    });
  }
}

/** @throws if the revocation list is not the authority's. */
export function createAuthority(authorityPem: string, listPem: string | undefined): Authority {
  const authority = new X509Certificate(authorityPem);
  const revoked = listPem === undefined
    ? new Set<string>()
    : revokedSerials(fromPem(listPem), authority);
  return {
    accepts(certificate) {
      try {
        const client = new X509Certificate(Buffer.from(certificate));
        return client.checkIssued(authority) && client.verify(authority.publicKey) &&
          !revoked.has(serialOf(certificate));
      } catch {
        return false; // Ignored: what can't be read is not accepted.
      }
    },
  };
}

/** RFC 5280: TBSCertificate holds [0] version, then the serial number. */
function serialOf(certificate: Uint8Array): string {
  const [whole] = parseDer(certificate);
  const [body] = insideOf(whole, TAG.sequence);
  const serial = insideOf(body, TAG.sequence).find(({ tag }) => tag === TAG.integer);
  if (serial === undefined) throw new Error("the certificate has no serial number");
  return hexOf(serial);
}

const HASHES: Readonly<Record<string, string>> = {
  "2a864886f70d01010b": "sha256",
  "2a864886f70d01010c": "sha384",
  "2a864886f70d01010d": "sha512",
  "2a8648ce3d040302": "sha256",
  "2a8648ce3d040303": "sha384",
  "2a8648ce3d040304": "sha512",
};

/** RFC 5280, 5.1: version?, signature, issuer, thisUpdate, nextUpdate?, revokedCertificates?, ... */
function revokedSerials(list: Uint8Array, authority: X509Certificate): Set<string> {
  const [whole] = parseDer(list);
  const [body, algorithm, signature] = insideOf(whole, TAG.sequence);
  if (body === undefined || signature?.tag !== TAG.bitString) throw new Error("ca.crl is no list");
  const [oid] = insideOf(algorithm, TAG.sequence);
  const hash = HASHES[Buffer.from(oid?.content ?? []).toString("hex")];
  if (hash === undefined) throw new Error("ca.crl has a signature of an unknown kind");
  const isSigned = verify(hash, body.bytes, authority.publicKey, signature.content.subarray(1));
  if (!isSigned) throw new Error("ca.crl is not signed by server.ca");
  const fields = insideOf(body, TAG.sequence).filter(({ tag }) => tag !== TAG.integer);
  // After the signature's kind, the issuer and one or two times.
  const entries = fields.slice(3).find(({ tag }) => tag === TAG.sequence);
  if (entries === undefined) return new Set();
  return new Set(insideOf(entries, TAG.sequence).map(serialOfEntry));
}

function serialOfEntry(entry: DerValue): string {
  const [serial] = insideOf(entry, TAG.sequence);
  if (serial?.tag !== TAG.integer) throw new Error("ca.crl has an entry without a serial number");
  return hexOf(serial);
}
