/**
 * Check a JSON body against its schema. LXD's clients send `null` for what is absent and whole GET
 * replies with a PUT: null is absence (an empty text inside a map), `ignored` fields are dropped.
 * Anything else that the schema does not know is an error with its path.
 */
import type { Schema } from "#api/schema.ts";
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";

interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly ignored?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** @throws {Fault} bad_request naming the path of the first wrong field. */
export function validate(schema: Schema, value: unknown): unknown {
  return check(schema as Node, isReply(value) ? withoutEnvelope(value) : value ?? {}, "");
}

/** Ansible sends a reply back as it came, with the fields to change put beside the envelope's. */
function isReply(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && value["type"] === "sync" && value["status_code"] === 200;
}

const ENVELOPE = [
  ...["type", "status", "status_code", "operation", "error_code", "error", "metadata"],
];

function withoutEnvelope(reply: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(reply).filter(([key]) => !ENVELOPE.includes(key)));
}

function check(node: Node, value: unknown, path: string): unknown {
  if (node.anyOf !== undefined) return checkChoice(node.anyOf, value, path);
  switch (node.type) {
    case "object":
      return node.properties === undefined
        ? checkMap(node, value, path)
        : checkObject(node, node.properties, value, path);
    case "array":
      if (!Array.isArray(value)) throw wrong(path, "a list", value);
      return value.map((item, index) => check(node.items ?? {}, item, `${path}[${index}]`));
    case "string":
      if (typeof value !== "string") throw wrong(path, "a string", value);
      return value;
    case "boolean":
      if (typeof value !== "boolean") throw wrong(path, "true or false", value);
      return value;
    case "integer":
    case "number":
      return checkNumber(node, value, path);
    default:
      return value;
  }
}

function checkNumber(node: Node, value: unknown, path: string): number {
  const isRight = typeof value === "number" &&
    (node.type === "number" || Number.isInteger(value)) &&
    value >= (node.minimum ?? -Infinity) && value <= (node.maximum ?? Infinity);
  if (isRight) return value;
  const from = node.minimum === undefined ? "" : ` of at least ${node.minimum}`;
  throw wrong(path, `a whole number${from}`, value);
}

function checkChoice(choices: readonly Node[], value: unknown, path: string): unknown {
  if (choices.some((choice) => choice.const === value)) return value;
  const allowed = choices.map((choice) => String(choice.const));
  throw wrong(path, `one of ${allowed.join(", ")}`, value);
}

function checkMap(node: Node, value: unknown, path: string): unknown {
  if (!isRecord(value)) throw wrong(path, "an object", value);
  const item = Object.values(node.patternProperties ?? {})[0] ?? {};
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => {
      const isNullText = one === null && item.type === "string";
      const isNullMap = one === null && item.type === "object";
      return [key, isNullText ? "" : isNullMap ? {} : check(item, one, join(path, key))];
    }),
  );
}

function checkObject(
  node: Node,
  properties: Readonly<Record<string, Node>>,
  value: unknown,
  path: string,
): unknown {
  if (!isRecord(value)) throw wrong(path, "an object", value);
  const result: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) {
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (known === undefined) {
      if (node.ignored?.includes(key)) continue;
      throw unknownField(join(path, key), key, Object.keys(properties));
    }
    if (one !== null) result[key] = check(known, one, join(path, key));
  }
  for (const key of node.required ?? []) {
    if (!Object.hasOwn(result, key)) {
      throw new Fault("bad_request", `invalid request: "${join(path, key)}" is missing`);
    }
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function wrong(path: string, wanted: string, value: unknown): Fault {
  const shown = JSON.stringify(value)?.slice(0, 80) ?? "nothing";
  const what = path === "" ? "the body" : `"${path}"`;
  return new Fault("bad_request", `invalid request: ${what} must be ${wanted}, not ${shown}`);
}

function unknownField(path: string, key: string, known: readonly string[]): Fault {
  const near = suggest(key, known);
  return new Fault("bad_request", `invalid request: unknown field "${path}"`, {
    hint: near === undefined ? `Known fields: ${known.join(", ")}.` : `Did you mean "${near}"?`,
  });
}
