import { Fault } from "./errors.ts";

/** RFC 3339 as Go writes it, so that scripts find what they compare: no fraction of zeros. */
export function wireTime(date: Date): string {
  return trimmedTime(date.toISOString());
}

/** "10:20:30.900Z" -> "10:20:30.9Z", of a time that is text already. */
export function trimmedTime(text: string): string {
  return text.replace(/\.(\d*?)0+Z$/, (_, digits) => digits === "" ? "Z" : `.${digits}Z`);
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** "2026-01-01T00:00:00Z" as it is stored; Go's zero time and "" mean never. @throws {Fault} bad_request */
export function parseExpiry(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text === "" || text.startsWith("0001-01-01")) return "";
  const time = RFC3339.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time)) {
    throw new Fault("bad_request", `invalid time "${text}"`, {
      hint: "Write it as 2026-12-31T18:00:00Z.",
    });
  }
  return wireTime(new Date(time));
}
