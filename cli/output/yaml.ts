/**
 * YAML as LXD prints it, so that scripts that compare text go on working: maps sorted naturally,
 * objects in the order of their shape, lists not indented, folding behind column 80, and quotes
 * where a YAML 1.1 reader would see something else than a text. Pure.
 */
import { entriesOf, naturalOrder, type Shape } from "./shape.ts";

/** @param shape order and kinds of the fields; without one an object is a map. */
export function toYaml(value: unknown, shape?: Shape): string {
  const out: string[] = [];
  writeBlock(out, value, shape, { indent: 0, first: "" });
  return out.join("");
}

interface Place {
  readonly indent: number;
  /** What stands before the first line already: "" or "- ". */
  readonly first: string;
}

function writeBlock(out: string[], value: unknown, shape: Shape | undefined, place: Place): void {
  if (Array.isArray(value) && value.length > 0) {
    const pad = " ".repeat(place.indent);
    value.forEach((item, index) => {
      const first = index === 0 ? place.first : "";
      if (isCollection(item)) {
        writeBlock(out, item, shape, { indent: place.indent + 2, first: `${first || pad}- ` });
      } else {
        out.push(`${first || pad}- ${scalar(item, place.indent, place.indent + 2)}\n`);
      }
    });
    return;
  }
  if (!isCollection(value)) {
    out.push(`${place.first}${scalar(value, -2, 0)}\n`);
    return;
  }
  const pad = " ".repeat(place.indent);
  let first = place.first;
  for (const [key, item, field] of entriesOf(value as object, shape, naturalOrder)) {
    const name = `${first || pad}${scalar(key, 0, 0, true)}:`;
    first = "";
    if (!isCollection(item)) {
      const text = field?.time ? String(item) : scalar(item, place.indent, name.length + 1);
      out.push(`${name} ${text}\n`);
    } else {
      out.push(`${name}\n`);
      const indent = place.indent + (Array.isArray(item) ? 0 : 2);
      writeBlock(out, item, field?.shape, { indent, first: "" });
    }
  }
}

/** A list or map with something in it. */
function isCollection(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function scalar(value: unknown, indent: number, column: number, key = false): string {
  if (Array.isArray(value)) return "[]";
  if (value === null || value === undefined) return "null";
  if (typeof value === "object") return "{}";
  if (typeof value === "string") return text(value, { indent: indent + 2, column, key });
  return String(value);
}

interface TextPlace {
  readonly indent: number;
  readonly column: number;
  readonly key: boolean;
}

const WIDTH = 80;

function text(value: string, place: TextPlace): string {
  if (value === "" || isAmbiguous(value)) return doubleQuoted(value, place);
  const special = [...value].some((letter) => letter !== "\n" && !isPrintable(letter)) ||
    value.includes(" \n");
  if (value.includes("\n")) {
    return special || place.key || value.endsWith(" ")
      ? doubleQuoted(value, place)
      : literal(value, place.indent);
  }
  if (special) return doubleQuoted(value, place);
  if (!needsQuotes(value)) return folded(value, place);
  return `'${folded(value.replaceAll("'", "''"), { ...place, column: place.column + 1 })}'`;
}

/** Would a plain text be read as an indicator of YAML? */
function needsQuotes(value: string): boolean {
  return /^[ ]|[ ]$|^[#,[\]{}&*!|>'"%@`]|^[?:-]( |$)|: |:$| #|^---|^\.\.\./.test(value);
}

const WORDS = new Set(
  ("y Y yes Yes YES on On ON n N no No NO off Off OFF true True TRUE false False FALSE ~ null " +
    "Null NULL .nan .NaN .NAN .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF").split(" "),
);

/** Would a YAML 1.1 reader see a boolean, a number or a date in the plain text? */
function isAmbiguous(value: string): boolean {
  if (WORDS.has(value)) return true;
  if (!/^[-+.\d]/.test(value)) return false;
  if (/^[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?$/.test(value)) return true;
  const date = /^\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[+-]\d\d:\d\d)?)?$/;
  if (date.test(value)) return true;
  const plain = value.replaceAll("_", "");
  return /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(plain) ||
    /^[-+]?0([xX][\da-fA-F]+|[oO][0-7]+|[bB][01]+)$/.test(plain);
}

function isPrintable(letter: string): boolean {
  const code = letter.codePointAt(0) ?? 0;
  return code >= 0x20 && code <= 0x7e || code >= 0xa0 && code <= 0xd7ff ||
    code >= 0xe000 && code < 0xfffe && code !== 0xfeff;
}

/** Break at the first single space behind column 80. */
function folded(value: string, place: TextPlace): string {
  if (place.key || place.column + value.length <= WIDTH) return value;
  let out = "";
  let column = place.column;
  for (let index = 0; index < value.length; index++) {
    const letter = value[index] ?? "";
    const alone = letter === " " && value[index - 1] !== " " && value[index + 1] !== " ";
    if (alone && column > WIDTH && index > 0 && index < value.length - 1) {
      out += `\n${" ".repeat(place.indent)}`;
      column = place.indent;
    } else {
      out += letter;
      column++;
    }
  }
  return out;
}

function literal(value: string, indent: number): string {
  const hint = /^[ \n]/.test(value) ? "2" : "";
  const chomp = !value.endsWith("\n") ? "-" : /^\n$|\n\n$/.test(value) ? "+" : "";
  const pad = " ".repeat(indent);
  const lines = (value.endsWith("\n") ? value.slice(0, -1) : value).split("\n");
  return `|${hint}${chomp}\n` + lines.map((line) => line === "" ? "" : pad + line).join("\n");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\x85": "\\N",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

function doubleQuoted(value: string, place: TextPlace): string {
  let out = '"';
  let column = place.column + 1;
  const letters = [...value];
  letters.forEach((letter, index) => {
    const inside = index > 0 && index < letters.length - 1;
    if (letter === " " && column > WIDTH && inside && letters[index - 1] !== " " && !place.key) {
      out += `\n${" ".repeat(place.indent)}`;
      column = place.indent;
      if (letters[index + 1] === " ") out += "\\";
      return;
    }
    const piece = ESCAPES[letter] ?? (isPrintable(letter) ? letter : escaped(letter));
    out += piece;
    column += piece.length;
  });
  return `${out}"`;
}

function escaped(letter: string): string {
  const code = letter.codePointAt(0) ?? 0;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
