/**
 * Image templates: the subset of pongo2 (Django's language) that images use. An interpreter of its
 * own, over plain values: nothing in a template can reach JavaScript. Pure and bounded.
 */
import { Fault } from "#base/errors.ts";
import { type Expression, parseExpression, tokenize } from "./template_expression.ts";

/** What a template may see. Functions get literal arguments and give text. */
export type TemplateValue =
  | string
  | boolean
  | TemplateFunction
  | { readonly [key: string]: TemplateValue };
export type TemplateFunction = (...args: readonly string[]) => string;
export type TemplateContext = Readonly<Record<string, TemplateValue>>;

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly expression: Expression }
  | {
    readonly kind: "if";
    readonly branches: readonly { readonly when: Expression | null; readonly body: Node[] }[];
  }
  | {
    readonly kind: "for";
    readonly names: readonly string[];
    readonly over: Expression;
    readonly body: Node[];
  };

const MAX_OUTPUT = 4 * 1024 * 1024;
const MAX_DEPTH = 32;

/**
 * @throws {Fault} bad_request with the line of a construct that is not understood.
 */
export function renderTemplate(source: string, context: TemplateContext): string {
  const parser = new Parser(source);
  const nodes = parser.parse();
  const out: string[] = [];
  const scope = new Map(Object.entries(context));
  run(nodes, scope, { out, size: 0 });
  return out.join("");
}

interface Output {
  readonly out: string[];
  size: number;
}

function emit(output: Output, text: string): void {
  output.size += text.length;
  if (output.size > MAX_OUTPUT) throw new Fault("bad_request", "template makes too much text");
  output.out.push(text);
}

type Scope = ReadonlyMap<string, TemplateValue>;

function run(nodes: readonly Node[], scope: Scope, output: Output): void {
  for (const node of nodes) {
    if (node.kind === "text") emit(output, node.text);
    else if (node.kind === "value") emit(output, show(evaluate(node.expression, scope)));
    else if (node.kind === "if") {
      const hit = node.branches.find((branch) =>
        branch.when === null || isTruthy(evaluate(branch.when, scope))
      );
      if (hit !== undefined) run(hit.body, scope, output);
    } else {
      const over = evaluate(node.over, scope);
      if (typeof over !== "object") continue;
      for (const [key, value] of Object.entries(over)) {
        const inner = new Map(scope);
        const [first = "", second] = node.names;
        inner.set(first, key);
        if (second !== undefined) inner.set(second, value);
        run(node.body, inner, output);
      }
    }
  }
}

function show(value: TemplateValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return "";
}

function isTruthy(value: TemplateValue): boolean {
  if (typeof value === "string") return value !== "";
  if (typeof value === "boolean") return value;
  return typeof value === "function" || Object.keys(value).length > 0;
}

function evaluate(expression: Expression, scope: Scope): TemplateValue {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "path": {
      let value: TemplateValue = scope.get(expression.path[0] ?? "") ?? "";
      for (const part of expression.path.slice(1)) {
        value = typeof value === "object" && Object.hasOwn(value, part) ? value[part] ?? "" : "";
      }
      return value;
    }
    case "call": {
      const callee = scope.get(expression.name);
      if (typeof callee !== "function") {
        throw new Fault("bad_request", `template calls "${expression.name}", which is no function`);
      }
      return callee(...expression.args.map((arg) => show(evaluate(arg, scope))));
    }
    case "filter":
      return applyFilter(expression, scope);
    case "not":
      return !isTruthy(evaluate(expression.of, scope));
    case "binary": {
      const left = evaluate(expression.left, scope);
      if (expression.operator === "and") {
        return isTruthy(left) && isTruthy(evaluate(expression.right, scope));
      }
      if (expression.operator === "or") {
        return isTruthy(left) || isTruthy(evaluate(expression.right, scope));
      }
      const right = evaluate(expression.right, scope);
      if (expression.operator === "in") {
        return typeof right === "object"
          ? Object.hasOwn(right, show(left))
          : show(right).includes(show(left));
      }
      const isSame = show(left) === show(right);
      return expression.operator === "==" ? isSame : !isSame;
    }
  }
}

const FILTERS: Readonly<Record<string, (value: string, argument: string) => string>> = {
  default: (value, argument) => value === "" ? argument : value,
  lower: (value) => value.toLowerCase(),
  upper: (value) => value.toUpperCase(),
  capfirst: (value) => value.slice(0, 1).toUpperCase() + value.slice(1),
  trim: (value) => value.trim(),
  safe: (value) => value,
  length: (value) => String(value.length),
  cut: (value, argument) => argument === "" ? value : value.replaceAll(argument, ""),
  addslashes: (value) => value.replace(/["'\\]/g, "\\$&"),
  escape: (value) =>
    value.replace(
      /[&<>"']/g,
      (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] ?? c,
    ),
  yesno: (value) => value === "" || value === "False" ? "no" : "yes",
};

function applyFilter(
  expression: Extract<Expression, { kind: "filter" }>,
  scope: Scope,
): TemplateValue {
  const filter = Object.hasOwn(FILTERS, expression.name) ? FILTERS[expression.name] : undefined;
  if (filter === undefined) {
    throw new Fault("bad_request", `template uses the unknown filter "${expression.name}"`);
  }
  const argument = expression.argument === undefined
    ? ""
    : show(evaluate(expression.argument, scope));
  const value = evaluate(expression.of, scope);
  if (expression.name === "default" && isTruthy(value)) return value;
  return filter(show(value), argument);
}

/** Splits a template at its tags and nests the blocks. */
class Parser {
  readonly #pieces: readonly { readonly text: string; readonly line: number }[];
  #at = 0;

  constructor(source: string) {
    let line = 1;
    this.#pieces = source.split(/(\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\})/).map((text) => {
      const piece = { text, line };
      line += text.split("\n").length - 1;
      return piece;
    });
  }

  parse(): Node[] {
    const { nodes, end } = this.#block([], 0);
    if (end !== "") throw new Fault("bad_request", `template has a stray "${end}"`);
    return nodes;
  }

  /** Nodes up to one of the words in `until`, or to the end of the template. */
  #block(until: readonly string[], depth: number): { nodes: Node[]; end: string; line: number } {
    if (depth > MAX_DEPTH) throw new Fault("bad_request", "template nests its blocks too deeply");
    const nodes: Node[] = [];
    while (this.#at < this.#pieces.length) {
      const { text, line } = this.#pieces[this.#at++] ?? { text: "", line: 0 };
      if (text.startsWith("{#")) continue;
      if (text.startsWith("{{")) {
        nodes.push({ kind: "value", expression: this.#expression(text.slice(2, -2), line) });
      } else if (text.startsWith("{%")) {
        const body = text.slice(2, -2).replace(/^-|-$/g, "").trim();
        const word = body.split(/\s+/, 1)[0] ?? "";
        if (until.includes(word)) return { nodes, end: body, line };
        nodes.push(this.#tag(word, body.slice(word.length).trim(), line, depth));
      } else if (text !== "") {
        nodes.push({ kind: "text", text });
      }
    }
    if (until.length > 0) {
      throw new Fault("bad_request", `template ends without "${until.at(-1)}"`);
    }
    return { nodes, end: "", line: 0 };
  }

  #tag(word: string, rest: string, line: number, depth: number): Node {
    if (word === "if") {
      const branches: { when: Expression | null; body: Node[] }[] = [];
      let when: Expression | null = this.#expression(rest, line);
      for (;;) {
        const block = this.#block(["elif", "else", "endif"], depth + 1);
        branches.push({ when, body: block.nodes });
        if (block.end.startsWith("endif")) return { kind: "if", branches };
        when = block.end.startsWith("elif")
          ? this.#expression(block.end.slice(4), block.line)
          : null;
      }
    }
    const loop = /^([\w]+)(?:\s*,\s*(\w+))?\s+in\s+(.+)$/.exec(rest);
    if (word === "for" && loop !== null) {
      const body = this.#block(["endfor"], depth + 1).nodes;
      const names = [loop[1] ?? "", ...(loop[2] === undefined ? [] : [loop[2]])];
      return { kind: "for", names, over: this.#expression(loop[3] ?? "", line), body };
    }
    throw new Fault("bad_request", `template, line ${line}: "{% ${word} %}" is not supported`);
  }

  #expression(text: string, line: number): Expression {
    try {
      return parseExpression(tokenize(text));
    } catch (error) {
      throw new Fault("bad_request", `template, line ${line}: cannot read "${text.trim()}"`, {
        cause: error,
      });
    }
  }
}
