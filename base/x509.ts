/**
 * Self-signed certificates (ECDSA P-384, CA:FALSE, 10 years) for servers and clients, built with
 * WebCrypto alone, so that the client needs no node: module. @see RFC 5280
 */

const encoder = new TextEncoder();

/** DER: tag, length, content. */
function der(tag: number, ...content: Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = length < 128
    ? [tag, length]
    : length < 256
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 255];
  const result = new Uint8Array(head.length + length);
  result.set(head);
  let offset = head.length;
  for (const part of content) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const set = (...parts: Uint8Array[]) => der(0x31, ...parts);
const oid = (...bytes: number[]) => der(0x06, new Uint8Array(bytes));
const utf8 = (text: string) => der(0x0c, encoder.encode(text));
const boolTrue = der(0x01, new Uint8Array([0xff]));

/** Positive INTEGER. */
function integer(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const trimmed = bytes.subarray(start);
  const needsZero = ((trimmed[0] ?? 0) & 0x80) !== 0;
  return der(0x02, needsZero ? new Uint8Array([0, ...trimmed]) : trimmed);
}

/** GeneralizedTime after 2049, UTCTime before. */
function time(date: Date): Uint8Array {
  const digits = date.toISOString().replace(/[-:T]/g, "").slice(0, 14) + "Z";
  return date.getUTCFullYear() >= 2050
    ? der(0x18, encoder.encode(digits))
    : der(0x17, encoder.encode(digits.slice(2)));
}

const OID_ORGANISATION = [0x55, 0x04, 0x0a];
const OID_COMMON_NAME = [0x55, 0x04, 0x03];
const OID_ECDSA_SHA384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const OID_KEY_USAGE = [0x55, 0x1d, 0x0f];
const OID_EXT_KEY_USAGE = [0x55, 0x1d, 0x25];
const OID_BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const OID_ALT_NAME = [0x55, 0x1d, 0x11];
const OID_SERVER_AUTH = [0x2b, 6, 1, 5, 5, 7, 3, 1];
const OID_CLIENT_AUTH = [0x2b, 6, 1, 5, 5, 7, 3, 2];

export interface CertificateOptions {
  readonly kind: "server" | "client";
  /** For example "root@host". */
  readonly commonName: string;
  /** DNS names of a server. */
  readonly dnsNames?: readonly string[];
  /** Addresses of a server, as bytes. */
  readonly addresses?: readonly Uint8Array[];
}

export interface KeyPair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A new key and a certificate for it that it signed itself. */
export async function selfSigned(options: CertificateOptions): Promise<KeyPair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-384" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const signing = sequence(oid(...OID_ECDSA_SHA384));
  const name = sequence(
    set(sequence(oid(...OID_ORGANISATION), utf8("LXD"))),
    set(sequence(oid(...OID_COMMON_NAME), utf8(options.commonName))),
  );
  const now = new Date();
  const end = new Date(now.getTime() + 10 * 365 * 24 * 3600 * 1000);
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = (serial[0] ?? 0) & 0x7f;
  const body = sequence(
    der(0xa0, der(0x02, new Uint8Array([2]))),
    integer(serial),
    signing,
    name,
    sequence(time(now), time(end)),
    name,
    publicKey,
    der(0xa3, sequence(...extensions(options))),
  );
  const hash = { name: "ECDSA", hash: "SHA-384" };
  const signature = new Uint8Array(
    await crypto.subtle.sign(hash, keys.privateKey, body as Uint8Array<ArrayBuffer>),
  );
  const half = signature.length / 2;
  const signed = sequence(integer(signature.subarray(0, half)), integer(signature.subarray(half)));
  const certificate = sequence(body, signing, der(0x03, new Uint8Array([0]), signed));
  return {
    certificatePem: toPem("CERTIFICATE", certificate),
    keyPem: toPem("PRIVATE KEY", privateKey),
  };
}

function extensions(options: CertificateOptions): Uint8Array[] {
  const usage = options.kind === "server" ? OID_SERVER_AUTH : OID_CLIENT_AUTH;
  const list = [
    sequence(oid(...OID_KEY_USAGE), boolTrue, der(0x04, der(0x03, new Uint8Array([5, 0xa0])))),
    sequence(oid(...OID_EXT_KEY_USAGE), der(0x04, sequence(oid(...usage)))),
    sequence(oid(...OID_BASIC_CONSTRAINTS), boolTrue, der(0x04, sequence())),
  ];
  const names = (options.dnsNames ?? []).map((one) => der(0x82, encoder.encode(one)));
  names.push(...(options.addresses ?? []).map((one) => der(0x87, one)));
  if (names.length > 0) list.push(sequence(oid(...OID_ALT_NAME), der(0x04, sequence(...names))));
  return list;
}

/** Text armour of DER bytes, 64 characters a line. @see RFC 7468 */
export function toPem(label: string, bytes: Uint8Array): string {
  const lines = (bytes as Uint8Array & { toBase64(): string }).toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** DER of the first block of a PEM text. @throws if there is none. */
export function fromPem(pem: string): Uint8Array<ArrayBuffer> {
  const match = /-----BEGIN [^-]+-----([\s\S]*?)-----END/.exec(pem);
  if (match === null) throw new Error("not a PEM file");
  const text = (match[1] ?? "").replace(/\s+/g, "");
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Lower-case hex of the SHA-256 of a DER certificate. */
export async function fingerprintOf(certificate: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", certificate as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
