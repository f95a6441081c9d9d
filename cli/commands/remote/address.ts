/** What a user may give as the address of a remote. Pure. */

/** A token by which a server trusts the client that shows it. */
export interface Token {
  readonly clientName: string;
  readonly fingerprint: string;
  readonly addresses: readonly string[];
  readonly secret: string;
  /** As given: what the server wants to see. */
  readonly text: string;
}

/**
 * The URL of a remote: `unix://PATH`, or https with a port.
 * @throws for other schemes.
 */
export function remoteUrl(address: string, protocol: string): string {
  if (protocol === "simplestreams") {
    if (!address.startsWith("https://")) {
      throw new Error("Only https URLs are supported for simplestreams");
    }
    return address.replace(/\/$/, "");
  }
  if (address.startsWith("/")) return `unix://${address}`;
  if (address.startsWith("unix:")) {
    const path = address.replace(/^unix:(\/\/)?/, "");
    return `unix://${path}`;
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1] ?? "https";
  if (scheme !== "https") throw new Error(`Invalid URL scheme "${scheme}" in "${address}"`);
  const rest = address.replace(/^https:\/\//i, "").replace(/\/+$/, "");
  if (rest === "") throw new Error(`Invalid URL "${address}": it names no host`);
  const bracketed = /^\[[^\]]+\](:\d+)?$/.exec(rest);
  if (bracketed !== null) return `https://${rest}${bracketed[1] === undefined ? ":8443" : ""}`;
  if ((rest.match(/:/g)?.length ?? 0) > 1) return `https://[${rest}]:8443`;
  if (/[/?#]/.test(rest)) throw new Error(`Invalid URL "${address}": it must end behind the port`);
  return `https://${rest}${/:\d+$/.test(rest) ? "" : ":8443"}`;
}

/** undefined if the text is none. */
export function parseToken(text: string): Token | undefined {
  if (!/^[A-Za-z0-9+/]{20,}=*$/.test(text)) return undefined;
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const value: Record<string, unknown> = JSON.parse(new TextDecoder().decode(bytes));
    const { client_name, fingerprint, addresses, secret } = value;
    if (typeof fingerprint !== "string" || typeof secret !== "string") return undefined;
    if (!Array.isArray(addresses)) return undefined;
    return {
      clientName: String(client_name ?? ""),
      fingerprint,
      addresses: addresses.map(String),
      secret,
      text,
    };
  } catch {
    return undefined; // Ignored: an address that looks a bit like one.
  }
}

/** The token that an operation stands for, as the text that clients pass on. */
export function tokenText(
  operation: { readonly class: string; readonly metadata: Record<string, unknown> | null },
): { name: string; text: string; expiresAt: string } | undefined {
  const { addresses, fingerprint, secret, request, expiresAt } = operation.metadata ?? {};
  if (operation.class !== "token" || typeof request !== "object" || request === null) {
    return undefined;
  }
  const name = "name" in request ? String(request.name) : "";
  const expires = String(expiresAt ?? "0001-01-01T00:00:00Z");
  const token = { client_name: name, fingerprint, addresses, secret, expires_at: expires };
  const bytes = new TextEncoder().encode(JSON.stringify(token));
  return { name, text: btoa(String.fromCharCode(...bytes)), expiresAt: expires };
}
