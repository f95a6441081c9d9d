/** LXD's filters of lists: `name eq web and (status eq Running or not config.user.x eq "a b")`. Pure. */
import { Fault } from "#base/errors.ts";

export type Filter = (value: unknown) => boolean;

const TOKENS_MAX = 1000;

/** @throws {Fault} bad_request with the place of the error. */
export function parseFilter(text: string): Filter {
  const tokens = tokenize(text);
  if (tokens.length > TOKENS_MAX) {
    throw new Fault("bad_request", `invalid filter: it has more than ${TOKENS_MAX} words`);
  }
  let at = 0;
  const peek = () => tokens[at]?.toLowerCase();
  const next = (what: string) => {
    const token = tokens[at++];
    if (token === undefined) throw invalid(text, `${what} expected at the end`);
    return token;
  };

  const either = (): Filter => {
    let left = both();
    while (peek() === "or") {
      at++;
      const a = left;
      const b = both();
      left = (value) => a(value) || b(value);
    }
    return left;
  };
  const both = (): Filter => {
    let left = unary();
    while (peek() === "and") {
      at++;
      const a = left;
      const b = unary();
      left = (value) => a(value) && b(value);
    }
    return left;
  };
  const unary = (): Filter => {
    if (peek() === "not") {
      at++;
      const inner = unary();
      return (value) => !inner(value);
    }
    if (peek() === "(") {
      at++;
      const inner = either();
      if (next("a closing parenthesis") !== ")") throw invalid(text, "a parenthesis is not closed");
      return inner;
    }
    return comparison(text, next("a field"), next("eq or ne"), next("a value"));
  };

  const filter = either();
  if (at < tokens.length) throw invalid(text, `"${tokens[at]}" is not expected`);
  return filter;
}

function comparison(text: string, field: string, operator: string, wanted: string): Filter {
  const isEqual = operator.toLowerCase() === "eq";
  if (!isEqual && operator.toLowerCase() !== "ne") {
    throw invalid(text, `"${operator}" is no operator, use eq or ne`);
  }
  const value = unquote(wanted);
  const pattern = asPattern(value);
  return (object) => {
    const actual = lookUp(object, field.split("."));
    return (actual === value || pattern?.test(actual) === true) === isEqual;
  };
}

/**
 * LXD compares values as regular expressions, in any case, over the whole text unless they have an
 * anchor of their own. Its engine takes linear time; this
 * one does not, so what could take long (repeated groups, many repetitions) is only a plain text.
 */
function asPattern(value: string): RegExp | undefined {
  const isSlow = /\)[*+{]|\\[1-9k]|\(\?/.test(value) || (value.match(/[*+{]/g) ?? []).length > 3;
  if (isSlow) return undefined;
  try {
    return new RegExp(/[\^$]/.test(value) ? value : `^(?:${value})$`, "i");
  } catch {
    return undefined; // Ignored: not a pattern, then only equality counts.
  }
}

/** Dotted path; keys of config maps contain dots themselves. */
function lookUp(object: unknown, path: readonly string[]): string {
  if (typeof object !== "object" || object === null) {
    return path.length === 0 && object !== undefined && object !== null ? String(object) : "";
  }
  const record = object as Record<string, unknown>;
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join(".");
    if (!Object.hasOwn(record, key)) continue;
    const value = record[key];
    if (length === path.length) return typeof value === "object" ? "" : String(value);
    return lookUp(value, path.slice(length));
  }
  return "";
}

function tokenize(text: string): string[] {
  return text.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()]|[^\s()]+/g) ?? [];
}

function unquote(token: string): string {
  return /^(["']).*\1$/s.test(token) ? token.slice(1, -1).replace(/\\(.)/g, "$1") : token;
}

function invalid(text: string, why: string): Fault {
  return new Fault("bad_request", `invalid filter "${text}": ${why}`, {
    hint: 'Example: status eq Running and config.user.role eq "web server"',
  });
}
