/** Tokens by which clients add their certificate: operations that wait for their use. */
import { wireTime } from "#base/time.ts";
import { Fault } from "#base/errors.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Operation } from "./operation.ts";
import type { OperationRegistry } from "./registry.ts";

/** What the client that uses the token gets, whatever it asks for itself. */
export interface TokenGrant {
  readonly name: string;
  readonly type: string;
  readonly restricted: boolean;
  readonly projects: readonly string[];
}

export interface TokenWish {
  readonly grant: TokenGrant;
  readonly fingerprint: string;
  readonly addresses: readonly string[];
  readonly expiresAt: Date | undefined;
  readonly caller: Caller;
}

const SECRET_BYTES = 32;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The metadata has LXD's fields: clients make the token's text of them. */
export function createToken(operations: OperationRegistry, wish: TokenWish): Operation {
  const { grant, fingerprint, addresses, expiresAt, caller } = wish;
  const operation = operations.start({
    class: "token",
    description: "Executing operation",
    project: "default",
    metadata: {
      addresses,
      ...(expiresAt !== undefined && { expiresAt: wireTime(expiresAt) }),
      fingerprint,
      request: { ...grant, certificate: "", password: "", token: true },
      secret: randomBytes(SECRET_BYTES).toString("hex"),
    },
    caller,
  });
  if (expiresAt !== undefined) {
    const delay = Math.min(expiresAt.getTime() - Date.now(), TIMER_MAX_MS);
    const timer = setTimeout(() => cancel(operations, operation.id), delay);
    timer.unref();
    void operation.done.then(() => clearTimeout(timer));
  }
  return operation;
}

/**
 * What the token in `text` (base64 of JSON) grants; it can't be used again.
 *
 * @returns undefined if the text is no token that is waiting.
 */
export function useToken(operations: OperationRegistry, text: string): TokenGrant | undefined {
  const secret = secretOf(text);
  if (secret === undefined) return undefined;
  for (const { id, start, state } of operations.list()) {
    const { secret: own, request, expiresAt } = start.metadata ?? {};
    if (start.class !== "token" || state.status !== "Running" || request === undefined) continue;
    if (typeof own !== "string" || !isEqual(own, secret)) continue;
    cancel(operations, id);
    if (expiresAt !== undefined && Date.parse(String(expiresAt)) < Date.now()) return undefined;
    return request as TokenGrant;
  }
  return undefined;
}

function cancel(operations: OperationRegistry, id: string): void {
  try {
    operations.cancel(id);
  } catch (error) {
    if (!(error instanceof Fault)) throw error; // It has ended meanwhile.
  }
}

function secretOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64").toString("utf8"));
    if (typeof value !== "object" || value === null || !("secret" in value)) return undefined;
    return typeof value.secret === "string" ? value.secret : undefined;
  } catch {
    return undefined; // Ignored: a password, not a token.
  }
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
