/** Values of templates, and what operators make of them: as pongo2's, which are Go's. Pure. */
import { Fault } from "#base/errors.ts";

/** A number with a fraction: Go tells it from an integer, and writes it with six digits. */
export class Real {
  constructor(readonly value: number) {}
}

/** What a template may see. Functions get texts and give text. */
export type TemplateValue =
  | string
  /** An integer. */
  | number
  | boolean
  | Real
  | TemplateFunction
  | readonly TemplateValue[]
  | { readonly [key: string]: TemplateValue };
export type TemplateFunction = (...args: readonly string[]) => string;

type TemplateMap = { readonly [key: string]: TemplateValue };

const isList = (value: TemplateValue): value is readonly TemplateValue[] => Array.isArray(value);

export function isMap(value: TemplateValue): value is TemplateMap {
  return typeof value === "object" && !isList(value) && !(value instanceof Real);
}

/** As it is written out. Maps, lists and functions have no text. */
export function show(value: TemplateValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  return value instanceof Real ? value.value.toFixed(6) : "";
}

export function isTruthy(value: TemplateValue): boolean {
  if (typeof value === "string" || isList(value)) return value.length > 0;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "boolean") return value;
  if (value instanceof Real) return value.value !== 0;
  return typeof value === "function" || Object.keys(value).length > 0;
}

/** What `for` walks over, and filters count: items, characters, or keys in their order. */
export function itemsOf(value: TemplateValue): readonly TemplateValue[] {
  if (typeof value === "string") return Array.from(value);
  if (isList(value)) return value;
  return isMap(value) ? Object.keys(value).toSorted() : [];
}

/** `name.part`; nothing of what has no such part, and never of what is not its own. */
export function partOf(value: TemplateValue, part: string): TemplateValue {
  if (isList(value)) return /^\d{1,9}$/.test(part) ? value[Number(part)] ?? "" : "";
  return isMap(value) && Object.hasOwn(value, part) ? value[part] ?? "" : "";
}

export function isNumber(value: TemplateValue): value is number | Real {
  return typeof value === "number" || value instanceof Real;
}

/** A text counts as the number that it writes, anything else as nothing. */
export function toReal(value: TemplateValue): number {
  if (value instanceof Real) return value.value;
  const number = typeof value === "boolean" ? Number(value) : Number(show(value).trim());
  return Number.isFinite(number) ? number : 0;
}

export const toInteger = (value: TemplateValue): number => Math.trunc(toReal(value)) + 0;

export type Arithmetic = "+" | "-" | "*" | "/" | "%" | "^";
export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** @throws {Fault} bad_request for a division by zero. */
export function calculate(
  operator: Arithmetic,
  left: TemplateValue,
  right: TemplateValue,
): TemplateValue {
  const isReal = left instanceof Real || right instanceof Real;
  const [a, b] = isReal ? [toReal(left), toReal(right)] : [toInteger(left), toInteger(right)];
  if (b === 0 && (operator === "/" || operator === "%")) {
    throw new Fault("bad_request", "template divides by zero");
  }
  switch (operator) {
    case "^":
      return new Real(a ** b);
    case "%":
      return toInteger(left) % toInteger(right) + 0;
    case "/":
      return isReal ? new Real(a / b) : Math.trunc(a / b) + 0;
    default: {
      const result = operator === "+" ? a + b : operator === "-" ? a - b : a * b;
      return isReal ? new Real(result) : result;
    }
  }
}

/** Order is of numbers only; equal are values of one type. */
export function compare(
  operator: Comparison,
  left: TemplateValue,
  right: TemplateValue,
): boolean {
  if (operator === "==") return isSame(left, right);
  if (operator === "!=") return !isSame(left, right);
  const isReal = left instanceof Real || right instanceof Real;
  const [a, b] = isReal ? [toReal(left), toReal(right)] : [toInteger(left), toInteger(right)];
  if (operator === "<") return a < b;
  if (operator === "<=") return a <= b;
  return operator === ">" ? a > b : a >= b;
}

function isSame(left: TemplateValue, right: TemplateValue): boolean {
  if (left instanceof Real && right instanceof Real) return left.value === right.value;
  return left === right;
}

/** `in` */
export function contains(whole: TemplateValue, part: TemplateValue): boolean {
  if (isList(whole)) return whole.some((one) => isSame(one, part));
  if (isMap(whole)) return Object.hasOwn(whole, show(part));
  return typeof whole === "string" && whole.includes(show(part));
}
