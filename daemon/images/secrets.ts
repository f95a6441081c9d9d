/** Secrets by which a caller whom nobody knows gets, or brings, one image. They are token operations. */
import { Fault } from "#base/errors.ts";
import type { Caller } from "#daemon/http/caller.ts";
import type { Operation } from "#daemon/operations/operation.ts";
import type { LiveOperation, OperationRegistry } from "#daemon/operations/registry.ts";
import { randomBytes, timingSafeEqual } from "node:crypto";

const SECRET_BYTES = 32;

/** @param more What the image that is brought will be like. */
export function createImageSecret(
  operations: OperationRegistry,
  fingerprint: string,
  { project, caller, more = {} }: {
    project: string;
    caller: Caller;
    more?: Readonly<Record<string, unknown>>;
  },
): Operation {
  return operations.start({
    class: "token",
    description: "Image download token",
    project,
    resources: { images: [fingerprint] },
    metadata: { ...more, secret: randomBytes(SECRET_BYTES).toString("hex") },
    caller,
  });
}

/** The operation that waits for this secret of this image. */
export function findImageSecret(
  operations: OperationRegistry,
  fingerprint: string,
  secret: string | undefined,
): LiveOperation | undefined {
  if (secret === undefined || secret === "") return undefined;
  return operations.list().find(({ start, state }) => {
    const own = start.metadata?.["secret"];
    return start.class === "token" && state.status === "Running" && typeof own === "string" &&
      start.resources?.["images"]?.includes(fingerprint) === true && isEqual(own, secret);
  });
}

/** Use it up. @throws {Fault} not_authorized if there is none. */
export function useImageSecret(
  operations: OperationRegistry,
  fingerprint: string,
  secret: string | undefined,
): LiveOperation {
  const found = findImageSecret(operations, fingerprint, secret);
  if (found === undefined) throw new Fault("not_authorized", "not authorized");
  operations.cancel(found.id);
  return found;
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
