/** JSON as Go's encoder writes it: objects in the order of their shape, maps by key. Pure. */
import { entriesOf, type Shape } from "./shape.ts";

/** @param indent "" for one line, "\t" for lines. */
export function toJson(value: unknown, shape?: Shape, indent = ""): string {
  return write(value, shape, indent, indent === "" ? "" : "\n");
}

const byCodePoint = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;

function write(value: unknown, shape: Shape | undefined, indent: string, line: string): string {
  if (typeof value !== "object" || value === null) return text(value);
  const inner = line + indent;
  const colon = line === "" ? ":" : ": ";
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    const items = value.map((item) => inner + write(item, shape, indent, inner));
    return `[${items.join(",")}${line}]`;
  }
  const parts: string[] = [];
  for (const [key, item, field] of entriesOf(value, shape, byCodePoint)) {
    const original = (value as Record<string, unknown>)[key] ?? null;
    const json = write(original === null ? null : item, field?.shape, indent, inner);
    parts.push(`${inner}${text(key)}${colon}${json}`);
  }
  return parts.length === 0 ? "{}" : `{${parts.join(",")}${line}}`;
}

function text(value: unknown): string {
  return (JSON.stringify(value) ?? "null").replace(
    /[<>&\u2028\u2029]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
