/** The sources of the house as facts: who imports what, which functions, which constructs. */

export interface Import {
  readonly specifier: string;
  /** Erased by the compiler: no dependency at run time. */
  readonly typeOnly: boolean;
  /** As the other file exports them; "*": all of them. */
  readonly names: readonly string[];
}

export interface FunctionLength {
  readonly name: string;
  /** Without the lines of functions inside of it: they are measured by themselves. */
  readonly lines: number;
}

export interface Source {
  /** From the root of the checkout: "daemon/http/server.ts". */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Functions, classes and constants that other files may import; types are not counted. */
  readonly exports: readonly string[];
  readonly functions: readonly FunctionLength[];
  /** Of `constructs`, by their keys: the lines on which they stand. */
  readonly found: Readonly<Record<string, readonly number[]>>;
}

const root = new URL("../../", import.meta.url).pathname;

/** All files of the checkout that git would keep, committed or not. */
export async function listFiles(): Promise<readonly string[]> {
  const { stdout, success } = await new Deno.Command("git", {
    args: ["-C", root, "ls-files", "--cached", "--others", "--exclude-standard"],
  }).output();
  if (!success) throw new Error("git ls-files failed");
  const paths = new TextDecoder().decode(stdout).split("\n").filter((path) => path !== "");
  const there = await Promise.all(paths.map((path) => exists(root + path)));
  return paths.filter((_, index) => there[index]);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(({ isFile }) => isFile, () => false);
}

export async function readFile(path: string): Promise<string> {
  return await Deno.readTextFile(root + path);
}

/** @param constructs Key -> selector of syntax nodes, as lint rules write them. */
export async function readSource(
  path: string,
  constructs: Readonly<Record<string, string>>,
): Promise<Source> {
  const text = await readFile(path);
  const imports: Import[] = [];
  const exports: string[] = [];
  const functions: Ranged[] = [];
  const found: Record<string, number[]> = {};
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length;
  const visitor: Deno.lint.LintVisitor = {
    ...importVisitor((one) => imports.push(one), (name) => exports.push(name)),
    "FunctionDeclaration, FunctionExpression, ArrowFunctionExpression"(node: Deno.lint.Node) {
      const { length } = text.slice(...node.range).split("\n");
      functions.push({ name: functionName(node), lines: length, range: node.range });
    },
  };
  for (const [key, selector] of Object.entries(constructs)) {
    visitor[`:is(${selector})`] = (node: Deno.lint.Node) => {
      (found[key] ??= []).push(lineOf(node.range[0]));
    };
  }
  Deno.lint.runPlugin({ name: "tidy", rules: { facts: { create: () => visitor } } }, path, text);
  return {
    path,
    lines: text.split("\n").length - 1,
    imports,
    exports,
    functions: withoutInner(functions),
    found,
  };
}

type Ranged = FunctionLength & { readonly range: readonly [number, number] };

/** @param functions Outer before inner, as they are visited. */
function withoutInner(functions: readonly Ranged[]): FunctionLength[] {
  const inside = (inner: Ranged, outer: Ranged) =>
    inner !== outer && inner.range[0] >= outer.range[0] && inner.range[1] <= outer.range[1];
  return functions.map((outer) => {
    const all = functions.filter((inner) => inside(inner, outer));
    const direct = all.filter((inner) => !all.some((between) => inside(inner, between)));
    const lines = direct.reduce((sum, inner) => sum - (inner.lines - 1), outer.lines);
    return { name: outer.name, lines };
  });
}

function importVisitor(add: (one: Import) => void, addExport: (name: string) => void) {
  return {
    ImportDeclaration(node: Deno.lint.ImportDeclaration) {
      const { specifiers, importKind, source } = node;
      const typeOnly = importKind === "type" || specifiers.length > 0 &&
          specifiers.every((one) => one.type === "ImportSpecifier" && one.importKind === "type");
      const names = specifiers.map((one) => {
        if (one.type === "ImportNamespaceSpecifier") return "*";
        return one.type === "ImportSpecifier" ? nameOf(one.imported) : "default";
      });
      add({ specifier: source.value, typeOnly, names });
    },
    ExportNamedDeclaration(node: Deno.lint.ExportNamedDeclaration) {
      const { source, exportKind, specifiers, declaration } = node;
      if (source) {
        const names = specifiers.map(({ local }) => nameOf(local));
        add({ specifier: source.value, typeOnly: exportKind === "type", names });
      } else {
        for (const name of declaredNames(declaration)) addExport(name);
      }
    },
    ExportAllDeclaration({ source, exportKind }: Deno.lint.ExportAllDeclaration) {
      add({ specifier: source.value, typeOnly: exportKind === "type", names: ["*"] });
    },
    ImportExpression({ source }: Deno.lint.ImportExpression) {
      if (source.type === "Literal" && typeof source.value === "string") {
        add({ specifier: source.value, typeOnly: false, names: ["*"] });
      }
    },
  };
}

function nameOf(node: Deno.lint.Identifier | Deno.lint.StringLiteral): string {
  return node.type === "Identifier" ? node.name : node.value;
}

/** Of a function, a class or constants; none of a type. */
function declaredNames(node: Deno.lint.ExportNamedDeclaration["declaration"]): string[] {
  switch (node?.type) {
    case "FunctionDeclaration":
    case "ClassDeclaration":
      return node.id ? [node.id.name] : [];
    case "VariableDeclaration":
      return node.declarations.flatMap(({ id }) => id.type === "Identifier" ? [id.name] : []);
    default:
      return [];
  }
}

/** The name that a reader would look for: of the function, its variable, property or test. */
function functionName(node: Deno.lint.Node): string {
  if (node.type === "FunctionDeclaration" && node.id) return node.id.name;
  const parent = "parent" in node ? node.parent as Deno.lint.Node : undefined;
  switch (parent?.type) {
    case "VariableDeclarator":
      return parent.id.type === "Identifier" ? parent.id.name : "(unnamed)";
    case "MethodDefinition":
    case "Property":
      return parent.key.type === "Identifier" ? parent.key.name : "(unnamed)";
    case "CallExpression": {
      const [first] = parent.arguments;
      return first?.type === "Literal" ? `${first.value}` : "(callback)";
    }
    default:
      return "(unnamed)";
  }
}

/** The file that an import of our own names, or undefined for npm and node. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (specifier.startsWith("#")) return specifier.slice(1);
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
