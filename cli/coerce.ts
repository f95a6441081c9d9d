/** Objects of the API that people write as YAML, which is read as texts. Pure. */

const BOOLEANS = ["auto_update", "public", "ephemeral", "stateful", "restricted", "create_only"];
const NUMBERS = ["creation_date", "expiry_date", "ttl"];
const MAPS = ["config", "devices", "properties", "templates"];
const LISTS = ["profiles", "projects", "when"];

/** Give the fields that aren't texts their types. @throws if a text stands for none of theirs. */
export function coerce(value: unknown, depth = 0): unknown {
  if (Array.isArray(value)) return value.map((item) => coerce(item, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (BOOLEANS.includes(key)) out[key] = booleanOf(key, item);
    else if (NUMBERS.includes(key)) out[key] = numberOf(key, item);
    else if (MAPS.includes(key)) out[key] = texts(item) ?? {};
    else if (LISTS.includes(key)) out[key] = texts(item) ?? [];
    else out[key] = item ?? "";
  }
  return out;
}

function booleanOf(key: string, item: unknown): boolean {
  const word = String(item ?? "").toLowerCase();
  if (["true", "yes", "on", "y"].includes(word)) return true;
  if (["false", "no", "off", "n", "null", "~", ""].includes(word)) return false;
  throw new Error(`invalid ${key} "${word}": want true or false`);
}

function numberOf(key: string, item: unknown): number {
  const number = Number(item ?? 0);
  if (Number.isNaN(number)) throw new Error(`invalid ${key} "${item}": want a number`);
  return number;
}

/** A map or list of texts (or of maps of texts); undefined if it is empty. */
function texts(value: unknown): unknown {
  if (value === "" || value === null || value === "null" || value === undefined) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const inner = typeof item === "object" && item !== null;
    out[key] = inner && "template" in item ? coerce(item) : inner ? texts(item) ?? {} : item ?? "";
  }
  return out;
}
