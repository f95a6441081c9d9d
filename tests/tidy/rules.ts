/** What the house allows, as tables: folders and their imports, constructs and where they may stand. */

/** Folder -> folders of ours that it may import. `mod.ts`, tests/ and tools/ see everything. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  api: ["base"],
  ffi: ["base"],
  cli: ["api", "base"],
  daemon: ["api", "base", "ffi"],
};

export const PRODUCT = Object.keys(MAY_IMPORT);

/**
 * daemon/ from above to below: a file imports its own storey and those below, and no more than
 * types (contracts) from above: what it needs from there arrives as an argument.
 */
export const STOREYS: readonly (readonly string[])[] = [
  ["http", "routes"],
  ["instances", "storage", "images", "networks", "operations", "migration", "backups"],
  ["devices", "security", "idmap", "cgroup", "db", "host", "guest", "projects"],
];

/** Files of daemon/ itself: which folder they stand beside; the others are above all storeys. */
export const BESIDE: Readonly<Record<string, string>> = {
  "daemon/paths.ts": "host",
  "daemon/server_settings.ts": "http",
  "daemon/services.ts": "http",
};

/** Folders of daemon/ that are strangers even by type: they get a narrow view as an argument. */
export const STRANGERS: readonly (readonly [from: string, to: string])[] = [
  ["devices", "instances"],
  ["devices", "db"],
];

export interface Construct {
  /** Syntax nodes, as lint rules select them. */
  readonly selector: string;
  /** Where it is at home. Tests and tools may do more than the product. */
  readonly allowed: RegExp;
  readonly why: string;
}

const method = (object: string, name: string) =>
  `CallExpression[callee.object.name="${object}"][callee.property.name="${name}"]`;

const OUTSIDE_PRODUCT = /^(tests|tools)\/|_test\.ts$/;

export const CONSTRUCTS: Readonly<Record<string, Construct>> = {
  "Deno.dlopen": {
    selector: method("Deno", "dlopen"),
    allowed: /^ffi\/[a-z]+\/(raw|open)\.ts$/,
    why: "native symbols live in the raw tables of ffi/, opened lazily",
  },
  "console": {
    selector: `CallExpression[callee.object.name="console"]`,
    allowed: OUTSIDE_PRODUCT,
    why: "the client prints through cli/output, the daemon through its log",
  },
  "setInterval": {
    selector: `CallExpression[callee.name="setInterval"]`,
    allowed: OUTSIDE_PRODUCT,
    why: "wait for an event, do not poll",
  },
  "kill": {
    selector: `${method("Deno", "kill")}, ${method("process", "kill")}`,
    allowed: OUTSIDE_PRODUCT,
    why: "a wrong process id must not reach kill(2): signalPidfd() of ffi/libc/process.ts",
  },
  "exit": {
    selector: `${method("Deno", "exit")}, ${method("process", "exit")}`,
    allowed: /^mod\.ts$|^(tests|tools)\//,
    why: "return a status; only the root ends the process",
  },
  "enum": { selector: "TSEnumDeclaration", allowed: /^$/, why: "a union of texts is plain data" },
  "import.meta": {
    selector: "MetaProperty[meta.name='import']",
    allowed: /^mod\.ts$|^(tests|tools)\/|_test\.ts$/,
    why: "the bundles of the executable have none",
  },
  "top-level await": {
    selector: "Program > ExpressionStatement > AwaitExpression, " +
      "Program > VariableDeclaration > VariableDeclarator > AwaitExpression",
    allowed: /^mod\.ts$|^(tests|tools)\//,
    why: "the bundles are evaluated synchronously, and an import has no effects",
  },
  "JSON.parse() as": {
    selector: `TSAsExpression > ${method("JSON", "parse")}`,
    allowed: OUTSIDE_PRODUCT,
    why: "parse at the edge: what came in is unknown until it was looked at",
  },
  "eval": {
    selector: `CallExpression[callee.name="eval"], NewExpression[callee.name="Function"]`,
    allowed: /^tools\/link\//,
    why: "no text becomes code",
  },
};

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;
