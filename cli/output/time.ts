/** Times and sizes as LXD's client prints them, in the local time zone. Pure but for the zone. */

/** Before 1971: "never", as LXD stores it (year 1 or 1970). */
export function isUnset(time: string | undefined): boolean {
  return time === undefined || time === "" || new Date(time).getTime() <= 86_400_000;
}

/** "2026/11/24 13:55 UTC". */
export function shortTime(time: string, utc = false): string {
  const date = new Date(time);
  const local = utc ? inUtc(date) : date;
  const day = `${local.getFullYear()}/${two(local.getMonth() + 1)}/${two(local.getDate())}`;
  const clock = `${two(local.getHours())}:${two(local.getMinutes())}`;
  return `${day} ${clock} ${utc ? "UTC" : zone(date)}`;
}

/** A date whose local time is the other's in UTC. */
const inUtc = (date: Date) => new Date(date.getTime() + date.getTimezoneOffset() * 60_000);

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** "Nov 24, 2026 at 1:23pm (UTC)". */
export function longTime(time: string, utc = false): string {
  const date = new Date(time);
  const local = utc ? inUtc(date) : date;
  const hours = local.getHours();
  const clock = `${hours % 12 || 12}:${two(local.getMinutes())}${hours < 12 ? "am" : "pm"}`;
  const day = `${MONTHS[local.getMonth()]} ${local.getDate()}, ${local.getFullYear()}`;
  return `${day} at ${clock} (${utc ? "UTC" : zone(date)})`;
}

const two = (value: number) => String(value).padStart(2, "0");

/** "UTC", "CET"; "+05" where the zone has no letters. */
function zone(date: Date): string {
  const name = /\(([^)]*)\)/.exec(date.toString())?.[1] ?? "";
  if (name === "Coordinated Universal Time" || name === "UTC") return "UTC";
  const short = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" })
    .formatToParts(date).find((part) => part.type === "timeZoneName")?.value ?? "UTC";
  return short.replace(/^GMT(?=[+-])/, "");
}

/** 1512 -> "1.51kB", powers of 1000. */
export function siBytes(bytes: number, digits = 2): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  let value = bytes;
  let index = 0;
  while (value >= 1000 && index < units.length - 1) {
    value /= 1000;
    index++;
  }
  return index === 0 ? `${value}B` : `${value.toFixed(digits)}${units[index]}`;
}
