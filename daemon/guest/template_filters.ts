/** Filters of templates, those of pongo2 that make sense in files of a system. Pure and bounded. */
import { Fault } from "#base/errors.ts";
import {
  calculate,
  isNumber,
  isTruthy,
  itemsOf,
  Real,
  show,
  type TemplateValue,
  toInteger,
  toReal,
} from "./template_value.ts";

type Filter = (value: TemplateValue, argument: TemplateValue) => TemplateValue;
type TextFilter = (text: string, argument: string) => string;

/** Of what is filled up to a width. */
const MAX_WIDTH = 10_000;
/** Letters between the items of a list. */
const MAX_JOINED = 4 * 1024 * 1024;

const ofText = (filter: TextFilter): Filter => (value, argument) =>
  filter(show(value), show(argument));

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (one) => ESCAPES[one] ?? one);

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

function widthOf(argument: TemplateValue): number {
  const width = toInteger(argument);
  if (width <= MAX_WIDTH) return width;
  throw new Fault("bad_request", `template fills up to ${width} characters, more than allowed`);
}

/** By characters as people count them. */
const missing = (text: string, argument: TemplateValue): number =>
  Math.max(0, widthOf(argument) - Array.from(text).length);

const pad = (place: (text: string, count: number) => string): Filter => (value, argument) => {
  const text = show(value);
  return place(text, missing(text, argument));
};

function slice(value: TemplateValue, argument: TemplateValue): TemplateValue {
  const match = /^(\d*):(\d*)$/.exec(show(argument).trim());
  if (match === null) {
    throw new Fault("bad_request", `template slices by "${show(argument)}", not by "from:to"`);
  }
  const [, from = "", to = ""] = match;
  const part = itemsOf(value).slice(Number(from), to === "" ? undefined : Number(to));
  return typeof value === "string" ? part.map(show).join("") : part;
}

function join(value: TemplateValue, argument: TemplateValue): string {
  const [items, between] = [itemsOf(value), show(argument)];
  if (items.length * between.length > MAX_JOINED) {
    throw new Fault("bad_request", "template makes too much text: it joins too many items");
  }
  return items.map(show).join(between);
}

function yesno(value: TemplateValue, argument: TemplateValue): string {
  const [yes = "yes", no = "no", unknown] = show(argument) === ""
    ? []
    : show(argument).split(",").map((one) => one.trim());
  if (isTruthy(value) && value !== "False") return yes;
  return value === "" && unknown !== undefined ? unknown : no;
}

function pluralize(value: TemplateValue, argument: TemplateValue): string {
  const [first = "s", second] = show(argument) === "" ? [] : show(argument).split(",");
  const [one, many] = second === undefined ? ["", first] : [first, second];
  return toInteger(value) === 1 ? one : many;
}

function floatformat(value: TemplateValue, argument: TemplateValue): string {
  const digits = show(argument) === "" ? -1 : toInteger(argument);
  const number = toReal(value);
  if (digits < 0 && Number.isInteger(number)) return String(number);
  return number.toFixed(Math.min(20, Math.abs(digits)));
}

/** `%s`, `%d`, `%v`, `%x` with a width, as in "%05d". */
function stringformat(value: TemplateValue, argument: TemplateValue): string {
  return show(argument).replace(/%(-?)(0?)(\d{0,4})([sdvx%])/g, (_, left, zero, width, verb) => {
    if (verb === "%") return "%";
    const text = verb === "d"
      ? String(toInteger(value))
      : verb === "x"
      ? toInteger(value).toString(16)
      : show(value);
    const size = widthOf(width);
    return left === "-" ? text.padEnd(size) : text.padStart(size, zero === "0" ? "0" : " ");
  });
}

const FILTERS: Readonly<Record<string, Filter>> = {
  add: (value, argument) =>
    isNumber(value) && isNumber(argument)
      ? calculate("+", value, argument)
      : show(value) + show(argument),
  addslashes: ofText((text) => text.replace(/["'\\]/g, "\\$&")),
  capfirst: ofText((text) => text.slice(0, 1).toUpperCase() + text.slice(1)),
  center: pad((text, count) => " ".repeat(Math.ceil(count / 2)) + text + " ".repeat(count >> 1)),
  cut: ofText((text, argument) => argument === "" ? text : text.replaceAll(argument, "")),
  default: (value, argument) => isTruthy(value) ? value : argument,
  default_if_none: (value) => value,
  divisibleby: (value, argument) =>
    toInteger(argument) !== 0 && toInteger(value) % toInteger(argument) === 0,
  escape: ofText(escapeHtml),
  first: (value) => itemsOf(value)[0] ?? "",
  float: (value) => new Real(toReal(value)),
  floatformat,
  force_escape: ofText(escapeHtml),
  get_digit: (value, argument) => Number(show(value).at(-toInteger(argument)) ?? toInteger(value)),
  integer: toInteger,
  join,
  last: (value) => itemsOf(value).at(-1) ?? "",
  length: (value) => itemsOf(value).length,
  length_is: (value, argument) => itemsOf(value).length === toInteger(argument),
  ljust: pad((text, count) => text + " ".repeat(count)),
  lower: ofText((text) => text.toLowerCase()),
  make_list: (value) => Array.from(show(value)),
  pluralize,
  rjust: pad((text, count) => " ".repeat(count) + text),
  safe: (value) => value,
  slice,
  split: (value, argument) => show(value).split(show(argument)),
  stringformat,
  striptags: ofText((text) => text.replace(/<[^>]*>/g, "").trim()),
  title: ofText((text) =>
    text.toLowerCase().replace(/(^|\s)\S/g, (letter) => letter.toUpperCase())
  ),
  trim: ofText((text) => text.trim()),
  truncatechars: (value, argument) => {
    const letters = Array.from(show(value));
    const count = Math.max(0, toInteger(argument));
    if (letters.length <= count) return letters.join("");
    return count < 3
      ? letters.slice(0, count).join("")
      : letters.slice(0, count - 3).join("") + "...";
  },
  truncatewords: (value, argument) => {
    const words = wordsOf(show(value));
    const count = toInteger(argument);
    if (words.length <= count) return words.join(" ");
    return [...words.slice(0, count), "..."].join(" ");
  },
  upper: ofText((text) => text.toUpperCase()),
  urlencode: ofText((text) => encodeURIComponent(text.toWellFormed()).replaceAll("%20", "+")),
  wordcount: (value) => wordsOf(show(value)).length,
  yesno,
};

/** @throws {Fault} bad_request for a filter that there is not. */
export function applyFilter(
  name: string,
  value: TemplateValue,
  argument: TemplateValue,
): TemplateValue {
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (filter === undefined) {
    throw new Fault("bad_request", `template uses the unknown filter "${name}"`);
  }
  return filter(value, argument);
}
