/** image list. */
import { type Command, command, FORMAT_FLAG, UsageError } from "#cli/command.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { longTime } from "#cli/output/time.ts";
import type { Image } from "./lookup.ts";

interface Column {
  readonly title: string;
  readonly cell: (image: Image) => string;
}

const COLUMNS: Readonly<Record<string, Column>> = {
  l: { title: "ALIAS", cell: shortestAlias },
  L: { title: "ALIASES", cell: (image) => aliasNames(image).join("\n") },
  f: { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint.slice(0, 12) },
  F: { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint },
  p: { title: "PUBLIC", cell: (image) => image.public ? "yes" : "no" },
  d: { title: "DESCRIPTION", cell: ({ properties }) => properties?.description ?? "" },
  a: { title: "ARCHITECTURE", cell: ({ architecture }) => architecture },
  t: { title: "TYPE", cell: ({ type }) => (type || "container").toUpperCase() },
  s: { title: "SIZE", cell: ({ size }) => `${(size / 1024 / 1024).toFixed(2)}MB` },
  u: { title: "UPLOAD DATE", cell: ({ uploaded_at }) => longTime(uploaded_at, true) },
};

const aliasNames = ({ aliases }: Image) => (aliases ?? []).map(({ name }) => name);

function shortestAlias(image: Image): string {
  const names = aliasNames(image);
  const [first = ""] = names.toSorted((a, b) => a.length - b.length);
  return names.length > 1 ? `${first} (${names.length - 1} more)` : first;
}

/** The columns that the letters mean, commas between them or not. @throws {UsageError} */
function imageColumns(letters: string): Column[] {
  const words = letters.split(",");
  return words.flatMap((word) => {
    if (word === "") {
      throw new UsageError(
        `Empty column entry (redundant, leading or trailing command) in '${letters}'`,
      );
    }
    return [...word].map((letter) => {
      const column = Object.hasOwn(COLUMNS, letter) ? COLUMNS[letter] : undefined;
      if (column === undefined) {
        throw new UsageError(`Unknown column shorthand char '${letter}' in '${word}'`);
      }
      return column;
    });
  });
}

/**
 * Does the image fit every filter: `key=value` of a property (a pattern, as a whole), or the start
 * of the fingerprint or a part of an alias?
 */
function imageFits(image: Image, filters: readonly string[]): boolean {
  return filters.every((filter) => {
    const equals = filter.indexOf("=");
    if (equals >= 0) return propertyFits(image, filter.slice(0, equals), filter.slice(equals + 1));
    return aliasNames(image).some((name) => name.includes(filter)) ||
      image.fingerprint.startsWith(filter);
  });
}

function propertyFits(image: Image, key: string, pattern: string): boolean {
  const field = new Map<string, unknown>(Object.entries(image)).get(key);
  if (field !== undefined && typeof field !== "object") {
    return String(field).toLowerCase() === pattern.toLowerCase();
  }
  const value = new Map(Object.entries(image.properties ?? {})).get(key);
  if (value === undefined) return false;
  if (value === pattern) return true;
  try {
    return new RegExp(/[\^$]/.test(pattern) ? pattern : `^(?:${pattern})$`).test(value);
  } catch {
    return false; // Ignored: no pattern, and not equal.
  }
}

export const IMAGE_LIST: Command = command({
  name: "image list",
  usage: "[<remote>:] [<filter>...]",
  summary: "List images",
  aliases: ["ls"],
  description: `Filters may be of the <key>=<value> form for property based filtering,
or part of the image hash or part of the image alias name.

The -c option takes a (optionally comma-separated) list of arguments
that control which image attributes to output when displaying in table
or csv format.

Column shorthand chars:
    l - Shortest image alias (and optionally number of other aliases)
    L - Newline-separated list of all image aliases
    f - Fingerprint (short)
    F - Fingerprint (long)
    p - Whether image is public
    d - Description
    a - Architecture
    s - Size
    u - Upload date
    t - Type`,
  flags: {
    columns: { kind: "string", short: "c", default: "lfpdatsu", summary: "Columns" },
    ...FORMAT_FLAG,
  },
  args: [0, Infinity],
  async run(context, words, { columns: letters, format }) {
    const [first = "", ...rest] = words;
    const isRemote = /^[^=]*:$/.test(first);
    const columns = imageColumns(letters);
    const { client } = context.resource(isRemote ? first : "");
    const all = await client.get<Image[]>("/1.0/images", { query: { recursion: 1 } });
    const filters = isRemote ? rest : words;
    const images = all.filter((image) => imageFits(image, filters));
    const rows = images.map((image) => columns.map(({ cell }) => cell(image)));
    context.out.text(render({
      header: columns.map(({ title }) => title),
      rows: sortRows(rows),
      data: images,
      shape: shape("image"),
    }, format));
  },
});
