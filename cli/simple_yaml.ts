/** The YAML of a config.yml that a program has written: maps of texts. Pure. */

type Tree = { [key: string]: Tree | string };

/** `key:`, then what follows it on the line. */
const LINE = /^( *)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[\w./@-][^:#]*?):(?: +(.*))?$/;
const PLAIN = /^[\w./~][^#]*$/;

/** @returns undefined for YAML beyond nested maps of texts on one line: ask a real parser. */
export function parseSimpleYaml(text: string): Tree | undefined {
  const root: Tree = {};
  const levels: { indent: number; map: Tree }[] = [{ indent: 0, map: root }];
  /** The key on the line before, if nothing stood behind it. */
  let open: { indent: number; map: Tree; key: string } | undefined;
  for (const line of text.split("\n")) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const [, spaces, quotedKey, rest] = LINE.exec(line) ?? [];
    if (spaces === undefined || quotedKey === undefined) return undefined;
    const indent = spaces.length;
    if (open !== undefined && indent > open.indent) {
      const map: Tree = {};
      open.map[open.key] = map;
      levels.push({ indent, map });
    }
    open = undefined;
    while ((levels.at(-1)?.indent ?? 0) > indent) levels.pop();
    const level = levels.at(-1);
    if (level?.indent !== indent) return undefined;
    const key = scalar(quotedKey);
    if (key === undefined || Object.hasOwn(level.map, key)) return undefined;
    const value = rest === undefined || rest.trim() === "" ? "" : scalar(rest.trim());
    if (rest?.trim() === "{}") level.map[key] = {};
    else if (value === undefined) return undefined;
    else level.map[key] = value;
    if (value === "" && rest === undefined) open = { indent, map: level.map, key };
  }
  return root;
}

/** undefined: not a text that is known for sure. */
function scalar(text: string): string | undefined {
  if (text.startsWith("'")) return /^'(?:[^']|'')*'$/.test(text) ? unquoted(text) : undefined;
  if (text.startsWith('"')) {
    try {
      const value: unknown = JSON.parse(text);
      return typeof value === "string" ? value : undefined;
    } catch {
      return undefined; // Ignored: an escape of YAML's own.
    }
  }
  return PLAIN.test(text) && !text.includes(": ") && !text.endsWith(":") ? text : undefined;
}

const unquoted = (text: string) => text.slice(1, -1).replaceAll("''", "'");
