/** Names and expiry of snapshots by snapshots.pattern and snapshots.expiry. Pure. */
import { Fault, messageOf } from "#base/errors.ts";
import { wireTime } from "#base/time.ts";
import { renderTemplate } from "#daemon/guest/template.ts";
import { checkSnapshotName } from "./name.ts";

/**
 * `snap%d` counts up from the highest number in use; `{{ creation_date }}` is filled in.
 *
 * @throws {Fault} bad_request if that makes no name: it becomes a part of paths.
 */
export function snapshotName(pattern: string, taken: readonly string[], now: Date): string {
  const name = nameByPattern(pattern, taken, now);
  try {
    checkSnapshotName(name);
  } catch (error) {
    throw new Fault("bad_request", `snapshots.pattern "${pattern}": ${messageOf(error)}`, {
      hint: 'One that makes names: snap%d, or {{ creation_date|date:"2006-01-02_15-04-05" }}.',
    });
  }
  return name;
}

function nameByPattern(pattern: string, taken: readonly string[], now: Date): string {
  const date = now.toISOString().replace("T", " ").replace(/\..*/, "");
  let name = pattern.replace(
    /\{\{\s*creation_date\s*\|\s*date:\s*(["'])(.*?)\1\s*\}\}/g,
    (_, _quote: string, layout: string) => goDate(layout, now),
  );
  name = renderTemplate(name, { creation_date: date });
  if (!name.includes("%d")) {
    if (!taken.includes(name)) return name;
    name += "-%d";
  }
  if (name.split("%d").length > 2) {
    throw new Fault("bad_request", 'Snapshot pattern may contain "%d" only once');
  }
  const [before = "", after = ""] = name.split("%d");
  let next = 0;
  for (const one of taken) {
    if (!one.startsWith(before) || !one.endsWith(after)) continue;
    const digits = one.slice(before.length, one.length - after.length);
    if (/^\d+$/.test(digits)) next = Math.max(next, Number(digits) + 1);
  }
  return `${before}${next}${after}`;
}

/** Go's reference time, the parts that make sense in a name. */
function goDate(layout: string, now: Date): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  const parts: Readonly<Record<string, string>> = {
    "2006": String(now.getUTCFullYear()),
    "01": pad(now.getUTCMonth() + 1),
    "02": pad(now.getUTCDate()),
    "15": pad(now.getUTCHours()),
    "04": pad(now.getUTCMinutes()),
    "05": pad(now.getUTCSeconds()),
  };
  return layout.replace(/2006|01|02|15|04|05/g, (part) => parts[part] ?? part);
}

/** ISO time at which a snapshot of `start` expires; "" : never. @param rule "1S 2M 3H 4d 5w 6m 7y" */
export function expiryAfter(start: Date, rule: string): string {
  if (rule.trim() === "") return "";
  const end = new Date(start);
  for (const part of rule.trim().split(/\s+/)) {
    const count = Number(part.slice(0, -1));
    switch (part.at(-1)) {
      case "S":
        end.setUTCSeconds(end.getUTCSeconds() + count);
        break;
      case "M":
        end.setUTCMinutes(end.getUTCMinutes() + count);
        break;
      case "H":
        end.setUTCHours(end.getUTCHours() + count);
        break;
      case "d":
        end.setUTCDate(end.getUTCDate() + count);
        break;
      case "w":
        end.setUTCDate(end.getUTCDate() + 7 * count);
        break;
      case "m":
        end.setUTCMonth(end.getUTCMonth() + count);
        break;
      case "y":
        end.setUTCFullYear(end.getUTCFullYear() + count);
        break;
    }
  }
  return wireTime(end);
}
