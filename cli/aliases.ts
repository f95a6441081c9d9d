/** Aliases of the user: `lxc alias add ll "list -c ns"`. Pure. */

/** There unless config.yml has one of the same name. */
export const DEFAULT_ALIASES: readonly (readonly [string, string])[] = [
  ["shell", "exec @ARGS@ -- su -l"],
];

/**
 * Replace the words of an alias by its target. `@ARGS@` stands for the words that follow, `@ARG1@`
 * for one of them; without either, they are appended.
 */
export function expandAlias(
  args: readonly string[],
  aliases: ReadonlyMap<string, string>,
): readonly string[] {
  const start = args.findIndex((word) => !word.startsWith("-"));
  if (start < 0) return args;
  const words = args.slice(start);
  let best: { length: number; name: string; target: string } | undefined;
  for (const [name, target] of aliases) {
    const parts = name.split(" ");
    const matches = parts.every((part, index) => part === words[index]);
    if (matches && parts.length > (best?.length ?? 0)) {
      best = { length: parts.length, name, target };
    }
  }
  if (best === undefined) return args;
  const rest = words.slice(best.length);
  const used = new Set<number>();
  let takesAll = false;
  const expanded = splitWords(best.target).flatMap((word) => {
    if (word === "@ARGS@") {
      takesAll = true;
      return ["@ARGS@"];
    }
    return [word.replace(/@ARG(\d+)@/g, (whole, digits: string) => {
      const index = Number(digits) - 1;
      if (rest[index] === undefined) {
        throw new Error(
          `Found alias "${best.name}" references an argument outside the given number`,
        );
      }
      used.add(index);
      return rest[index] ?? whole;
    })];
  });
  const others = rest.filter((_, index) => !used.has(index));
  const all = expanded.flatMap((word) => word === "@ARGS@" ? others : [word]);
  return [...args.slice(0, start), ...all, ...(takesAll ? [] : others)];
}

/** Words as a shell would split them: spaces, quotes, backslash. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  const pattern = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g;
  for (const [whole] of text.matchAll(pattern)) {
    words.push(
      whole.replace(
        /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/g,
        (_, escape, double, single) => escape ?? single ?? String(double).replace(/\\(.)/g, "$1"),
      ),
    );
  }
  return words;
}
