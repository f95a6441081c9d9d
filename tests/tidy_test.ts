/** The rules of the house that a reader would otherwise have to enforce. @see tests/tidy/rules.ts */
import assert from "node:assert/strict";
import { EXTENSIONS } from "#api/extensions.ts";
import * as exceptions from "./tidy/exceptions.ts";
import {
  BESIDE,
  CONSTRUCTS,
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
  MAY_IMPORT,
  PRODUCT,
  STOREYS,
  STRANGERS,
} from "./tidy/rules.ts";
import { listFiles, readFile, readSource, resolveImport, type Source } from "./tidy/source.ts";

const files = await listFiles();
const selectors = Object.fromEntries(
  Object.entries(CONSTRUCTS).map(([key, { selector }]) => [key, selector]),
);
const sources = await Promise.all(
  files.filter((path) => path.endsWith(".ts")).map((path) => readSource(path, selectors)),
);
const isTest = (path: string) => /_test\.ts$/.test(path);
const folderOf = (path: string) => path.split("/")[0] ?? "";
const product = sources.filter(({ path }) => PRODUCT.includes(folderOf(path)) && !isTest(path));

/** Every breach but the excepted ones, and every exception that no breach needs any more. */
function settle(breaches: Iterable<readonly [key: string, text: string]>, excepted: object): void {
  const found = new Map(breaches);
  const problems = [...found].filter(([key]) => !(key in excepted)).map(([, text]) => text);
  const stale = Object.keys(excepted).filter((key) => !found.has(key));
  assert.deepEqual([...problems, ...stale.map((key) => `exception not needed: ${key}`)], []);
}

Deno.test("tidy: files are short", () => {
  const long = sources.filter(({ lines }) => lines > FILE_LINES_MAX);

  settle(long.map(({ path, lines }) => [path, `${path}: ${lines} lines`]), exceptions.LONG_FILES);
});

Deno.test("tidy: functions are short", () => {
  const long = sources.flatMap(({ path, functions }) =>
    functions.filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ name, lines }) =>
        [`${path}: ${name}`, `${path}: ${name} has ${lines} lines`] as const
      )
  );

  settle(long, exceptions.LONG_FUNCTIONS);
});

Deno.test("tidy: constructs stand where they are at home", () => {
  const breaches = sources.flatMap(({ path, found }) =>
    Object.entries(found)
      .filter(([key]) => !CONSTRUCTS[key]?.allowed.test(path))
      .map(([key, lines]) =>
        [`${path}: ${key}`, `${path}:${lines}: ${key}: ${CONSTRUCTS[key]?.why}`] as const
      )
  );

  settle(breaches, exceptions.CONSTRUCTS_HERE);
});

/** @returns What is wrong with an import of ours, or undefined. */
function importBreach(from: string, to: string, typeOnly: boolean): string | undefined {
  const [source, target] = [folderOf(from), folderOf(to)];
  if (!PRODUCT.includes(source)) return undefined;
  if (isTest(from) && target === "tests") return undefined;
  if (source !== target && !MAY_IMPORT[source]?.includes(target)) {
    return `${source}/ does not import ${target}/`;
  }
  if (source !== "daemon" || target !== "daemon") return undefined;
  const [upper, lower] = [daemonFolder(from), daemonFolder(to)];
  if (STRANGERS.some(([one, other]) => one === upper && other === lower)) {
    return `${upper}/ does not know ${lower}/`;
  }
  if (typeOnly || storeyOf(lower) >= storeyOf(upper)) return undefined;
  return `${lower}/ is above ${upper}/`;
}

function daemonFolder(path: string): string {
  return BESIDE[path] ?? path.split("/")[1] ?? "";
}

/** 0 for the files of daemon/ itself, which compose all; larger is further below. */
function storeyOf(folder: string): number {
  return STOREYS.findIndex((storey) => storey.includes(folder)) + 1;
}

Deno.test("tidy: folders import only what is below them", () => {
  const breaches = sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, typeOnly }) => {
      const to = resolveImport(path, specifier);
      const breach = to === undefined ? undefined : importBreach(path, to, typeOnly);
      const key = `${path} -> ${to}`;
      return breach === undefined ? [] : [[key, `${key}: ${breach}`] as const];
    })
  );

  settle(breaches, exceptions.IMPORTS);
});

Deno.test("tidy: imports are ./x.ts inside a folder, #folder/x.ts across, and exist", () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter(({ specifier }) => {
      const to = resolveImport(path, specifier);
      if (to === undefined) return false;
      const crosses = specifier.startsWith(".") && folderOf(to) !== folderOf(path) &&
        path !== "mod.ts";
      const climbs = specifier.startsWith("../") && PRODUCT.includes(folderOf(path));
      return crosses || climbs || !files.includes(to);
    }).map(({ specifier }) => `${path}: "${specifier}"`)
  );

  assert.deepEqual(wrong, []);
});

Deno.test("tidy: no import cycles", () => {
  assert.deepEqual(findCycles(), []);
});

function findCycles(): string[] {
  const next = new Map(sources.map((source) => [source.path, targetsOf(source, true)]));
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      return;
    }
    state.set(path, "open");
    for (const target of next.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const { path } of sources) visit(path, []);
  return cycles;
}

function targetsOf({ path, imports }: Source, valuesOnly: boolean): string[] {
  return imports.filter(({ typeOnly }) => !valuesOnly || !typeOnly)
    .map(({ specifier }) => resolveImport(path, specifier))
    .filter((target) => target !== undefined);
}

Deno.test("tidy: the client and what it shares do without node modules", () => {
  const breaches = product.filter(({ path }) => /^(base|api|cli)\//.test(path))
    .flatMap(({ path, imports }) =>
      imports.filter(({ specifier, typeOnly }) => specifier.startsWith("node:") && !typeOnly)
        .map(({ specifier }) => [`${path}: ${specifier}`, `${path}: ${specifier}`] as const)
    );

  settle(breaches, exceptions.NODE_IMPORTS);
});

Deno.test("tidy: a package is imported by one file", () => {
  const users = new Map<string, Set<string>>();
  for (const { path, imports } of product) {
    for (const { specifier, typeOnly } of imports) {
      if (typeOnly || /^([#.]|node:)/.test(specifier)) continue;
      const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
      users.set(name, (users.get(name) ?? new Set()).add(path));
    }
  }
  const shared = [...users].filter(([, paths]) => paths.size > 1)
    .map(([name, paths]) => [name, `${name}: ${[...paths].join(", ")}`] as const);

  settle(shared, exceptions.SHARED_PACKAGES);
});

Deno.test("tidy: every file of the product is reached from mod.ts", () => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const queue = ["mod.ts"];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const source = byPath.get(path);
    if (source === undefined || reached.has(path)) continue;
    reached.add(path);
    queue.push(...targetsOf(source, false));
  }
  const orphans = product.filter(({ path }) => !reached.has(path))
    .map(({ path }) => [path, `${path}: nothing imports it`] as const);

  settle(orphans, exceptions.ORPHANS);
});

Deno.test("tidy: what a file of the product exports, another one imports", () => {
  const taken = new Set(
    sources.flatMap(({ path, imports }) =>
      imports.flatMap(({ specifier, names }) => {
        const to = resolveImport(path, specifier);
        return to === path ? [] : names.map((name) => `${to}: ${name}`);
      })
    ),
  );
  // The bodies of api/routes/ are the contract, and docs/config.md is made of all tables of keys.
  const isOutside = /^api\/(routes\/|config\/\w+_keys\.ts: \w+_KEYS$)/;
  const unused = product.filter(({ path }) => !taken.has(`${path}: *`))
    .flatMap(({ path, exports }) => exports.map((name) => `${path}: ${name}`))
    .filter((key) => !taken.has(key) && !isOutside.test(key))
    .map((key) => [key, `${key} is exported for nobody`] as const);

  settle(unused, exceptions.EXPORTS);
});

Deno.test("tidy: every claimed API extension names a test that exists", () => {
  const named = Map.groupBy(EXTENSIONS, ([, test]) => test);
  const missing = [...named].filter(([test]) => !files.includes(test))
    .map(([test, claims]) =>
      [test, `${test}, for ${claims.map(([name]) => name).join(" ")}`] as const
    );

  settle(missing, exceptions.TESTS_TO_COME);
});

Deno.test("tidy: no file names paths of a developer's machine", async () => {
  const wrong: string[] = [];
  for (const path of files) {
    if (!/\.(ts|c|h|sh|md|json|yaml)$|^tools\/|^\.ci\//.test(path) || path === "deno.lock") {
      continue;
    }
    // Written in two parts, or this file would name one.
    if ((await readFile(path)).includes("/wo" + "rk/")) wrong.push(path);
  }

  assert.deepEqual(wrong, []);
});
