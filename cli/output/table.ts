/** Lists of things in LXD's five formats. Pure. */
import { toJson } from "./json.ts";
import type { Shape } from "./shape.ts";
import { toYaml } from "./yaml.ts";

export const FORMATS = ["csv", "json", "table", "yaml", "compact"] as const;
export type Format = (typeof FORMATS)[number];

export interface Listing {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What json and yaml print. */
  readonly data: unknown;
  readonly shape?: Shape;
}

/** @throws if the format is unknown. */
export function render(listing: Listing, format: string): string {
  switch (format) {
    case "table":
      return table(listing.header, listing.rows);
    case "compact":
      return compact(listing.header, listing.rows);
    case "csv":
      return listing.rows.map((row) => row.map(csvCell).join(",") + "\n").join("");
    case "json":
      return toJson(listing.data, listing.shape) + "\n";
    case "yaml":
      return toYaml(listing.data, listing.shape);
    default:
      throw new Error(`Invalid format "${format}"`);
  }
}

function csvCell(text: string): string {
  const quote = text === "\\." || /[",\r\n]|^[\s]/.test(text);
  return quote ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Borders of plus, minus and pipe; a line below each row. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(header, rows);
  const border = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const title = header.map((cell, index) => ` ${centred(cell, widths[index] ?? 0)} `);
  let out = `${border}|${title.join("|")}|\n${border}`;
  for (const row of rows) {
    for (const line of linesOf(row, widths)) out += `|${line.map((c) => ` ${c} `).join("|")}|\n`;
    out += border;
  }
  return out;
}

/** Like table(), without lines between the rows. */
export function grid(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(header, rows);
  const border = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[]) => `|${cells.map((cell) => ` ${cell} `).join("|")}|\n`;
  const title = line(header.map((cell, index) => centred(cell, widths[index] ?? 0)));
  const body = rows.flatMap((row) => linesOf(row, widths).map(line)).join("");
  return `${border}${title}${border}${body}${border}`;
}

/** No borders, two spaces between columns. */
function compact(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(header, rows);
  const line = (cells: readonly string[]) => ` ${cells.map((cell) => ` ${cell} `).join("")} \n`;
  let out = line(header.map((cell, index) => centred(cell, widths[index] ?? 0)));
  for (const row of rows) for (const cells of linesOf(row, widths)) out += line(cells);
  return out;
}

function columnWidths(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly number[] {
  return header.map((title, column) => {
    const cells = rows.flatMap((row) => (row[column] ?? "").split("\n"));
    return cells.reduce(
      (widest, cell) => Math.max(widest, displayWidth(cell)),
      displayWidth(title),
    );
  });
}

/** A row whose cells have several lines becomes several lines, padded. */
function linesOf(row: readonly string[], widths: readonly number[]): string[][] {
  const cells = row.map((cell) => cell.split("\n"));
  const height = Math.max(1, ...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    widths.map((width, column) => {
      const text = cells[column]?.[line] ?? "";
      return text + " ".repeat(Math.max(0, width - displayWidth(text)));
    }));
}

function centred(text: string, width: number): string {
  const gap = Math.max(0, width - displayWidth(text));
  const left = Math.floor(gap / 2);
  return " ".repeat(left) + text + " ".repeat(gap - left);
}

/** Columns that a terminal uses: two for East Asian wide letters, none for combining marks. */
function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const letter of text) {
    if (/\p{Mn}|\p{Cf}/u.test(letter)) continue;
    const code = letter.codePointAt(0) ?? 0;
    const wide = code >= 0x1100 && (code <= 0x115f || code >= 0x2e80 && code <= 0xa4cf ||
      code >= 0xac00 && code <= 0xd7a3 || code >= 0xf900 && code <= 0xfaff ||
      code >= 0xfe30 && code <= 0xfe6f || code >= 0xff00 && code <= 0xff60 ||
      code >= 0x1f300 && code <= 0x1faff);
    width += wide ? 2 : 1;
  }
  return width;
}
