/**
 * YAML in and out. Scalars are read as text (FAILSAFE schema), never as dates, octal numbers or
 * booleans: the key tables and schemas know what each value is. Only this file imports js-yaml.
 */
import { dump, FAILSAFE_SCHEMA, load, nullCoreTag } from "js-yaml";

/** A `null` or `~` without quotes is nothing at all, as for every reader of YAML. */
const TEXTS_AND_NULL = FAILSAFE_SCHEMA.withTags(nullCoreTag);

/** @throws {YAMLException} with line and column. Maps, lists, strings and null; an empty text is null. */
export function parseYaml(text: string, options: { repeats?: "last wins" } = {}): unknown {
  // js-yaml takes no document for an error.
  if (text.split("\n").every((line) => /^\s*(#|$)/.test(line))) return null;
  return load(text, { schema: TEXTS_AND_NULL, json: options.repeats !== undefined }) ?? null;
}

/** Block style, two spaces, keys in the order of the object, no line folding. */
export function formatYaml(value: unknown): string {
  return dump(value, { lineWidth: -1, noRefs: true });
}
