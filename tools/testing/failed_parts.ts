/** Which parts of a step failed, by what it printed. */

/** Suites of LXD: tools/compat prints a line for each. */
export function failedSuites(output: string): readonly string[] {
  return firstGroups(output, /^(\w+) +(?:fail|timeout) /gm);
}

/** Words for tools/test vm, which prints a line for each file. */
export function failedVms(output: string): readonly string[] {
  return firstGroups(output, /^[\w-]+: (\w+)_test\.ts, [1-9]\d* failed/gm);
}

/** Files of which deno test says that a test, or all of the file, failed: suites of tests stand elsewhere. */
export function failedFiles(output: string): readonly string[] {
  const failed: string[] = [];
  let file = "";
  for (const line of output.split("\n")) {
    file = /^running \d+ tests? from \.\/(\S+)$/.exec(line)?.[1] ?? file;
    const place = /=> \.\/(\S+_test\.ts):\d+/.exec(line)?.[1];
    if (place !== undefined) failed.push(place);
    else if (file !== "" && /^(?:.* \.\.\. |Uncaught error .*)FAILED/.test(line)) failed.push(file);
  }
  return failed;
}

function firstGroups(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, group = ""]) => group);
}
