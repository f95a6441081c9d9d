/** ETags as LXD makes them: the SHA-256 of the JSON of a value, with a newline. */
import { Fault } from "#base/errors.ts";
import { createHash } from "node:crypto";

/** Without the quotes that HTTP wants around it. Key order counts: give LXD's. */
export function etagOf(value: unknown): string {
  const json = JSON.stringify(value);
  return createHash("sha256").update(`${json}\n`).digest("hex");
}

/** @throws {Fault} precondition_failed unless `header` (If-Match) is absent or matches. */
export function checkIfMatch(header: string | undefined, value: unknown): void {
  if (header === undefined || header === "" || header === "*") return;
  const actual = etagOf(value);
  if (header.replaceAll('"', "") === actual) return;
  throw new Fault(
    "precondition_failed",
    `ETag doesn't match: ${actual} vs ${header.replaceAll('"', "")}`,
    { hint: "Somebody changed it meanwhile: read it again and repeat your change." },
  );
}
