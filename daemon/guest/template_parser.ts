/** From the text of a template to its nodes: tags, their blocks, the text between. Pure. */
import { Fault } from "#base/errors.ts";
import { type Expression, ExpressionReader, type FilterCall } from "./template_expression.ts";

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly expression: Expression }
  /** The first that is something. */
  | { readonly kind: "firstof"; readonly of: readonly Expression[] }
  | {
    readonly kind: "if";
    readonly branches: readonly { readonly when: Expression | null; readonly body: Node[] }[];
  }
  | {
    readonly kind: "for";
    readonly names: readonly string[];
    readonly over: Expression;
    readonly order: { readonly isSorted: boolean; readonly isReversed: boolean };
    readonly body: Node[];
    readonly empty: Node[];
  }
  /** Names for what follows, or for the body alone. */
  | { readonly kind: "set"; readonly names: Names; readonly body?: Node[] }
  | { readonly kind: "filter"; readonly filters: readonly FilterCall[]; readonly body: Node[] }
  | { readonly kind: "spaceless"; readonly body: Node[] }
  | { readonly kind: "autoescape"; readonly isOn: boolean; readonly body: Node[] };

type Names = readonly (readonly [name: string, value: Expression])[];

interface Piece {
  readonly text: string;
  readonly line: number;
}

/** The rest of a tag, and where it stands. */
interface Tag {
  readonly word: string;
  readonly rest: string;
  readonly line: number;
  readonly depth: number;
}

const MAX_DEPTH = 32;

const TEMPLATE_TAGS: Readonly<Record<string, string>> = {
  openblock: "{%",
  closeblock: "%}",
  openvariable: "{{",
  closevariable: "}}",
  openbrace: "{",
  closebrace: "}",
  opencomment: "{#",
  closecomment: "#}",
};

/** @throws {Fault} bad_request with the line of a construct that is not understood. */
export function parseTemplate(source: string): Node[] {
  return new Parser(source).parse();
}

class Parser {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(source: string) {
    let line = 1;
    const texts = source.split(/(\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\})/);
    this.#pieces = texts.map((text, index) => {
      const piece = { text: trimmed(text, texts[index - 1], texts[index + 1]), line };
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
        const expression = this.#read(inner(text), line, (reader) => reader.expression());
        nodes.push({ kind: "value", expression });
      } else if (text.startsWith("{%")) {
        const body = inner(text);
        const word = body.split(/\s+/, 1)[0] ?? "";
        if (until.includes(word)) return { nodes, end: body, line };
        const rest = body.slice(word.length).trim();
        nodes.push(...this.#tag({ word, rest, line, depth }));
      } else if (text !== "") {
        nodes.push({ kind: "text", text });
      }
    }
    if (until.length > 0) {
      throw new Fault("bad_request", `template ends without "${until.at(-1)}"`);
    }
    return { nodes, end: "", line: 0 };
  }

  #tag(tag: Tag): Node[] {
    const { word, rest, line } = tag;
    switch (word) {
      case "if":
        return [this.#if(tag)];
      case "ifequal":
      case "ifnotequal":
        return [this.#ifEqual(tag)];
      case "for":
        return [this.#for(tag)];
      case "set":
        return [{ kind: "set", names: this.#read(rest, line, (reader) => [assignment(reader)]) }];
      case "with":
        return [{
          kind: "set",
          names: this.#read(rest, line, assignments),
          body: this.#body("endwith", tag),
        }];
      case "firstof":
        return [{ kind: "firstof", of: this.#read(rest, line, values) }];
      case "filter":
        return [{
          kind: "filter",
          filters: this.#read(rest, line, filters),
          body: this.#body("endfilter", tag),
        }];
      case "spaceless":
        return [{ kind: "spaceless", body: this.#body("endspaceless", tag) }];
      case "autoescape":
        if (rest !== "on" && rest !== "off") throw unsupported(tag);
        return [{
          kind: "autoescape",
          isOn: rest === "on",
          body: this.#body("endautoescape", tag),
        }];
      case "comment":
        this.#untilTag("endcomment");
        return [];
      case "verbatim":
        return [{ kind: "text", text: this.#untilTag("endverbatim") }];
      case "templatetag":
        if (!Object.hasOwn(TEMPLATE_TAGS, rest)) throw unsupported(tag);
        return [{ kind: "text", text: TEMPLATE_TAGS[rest] ?? "" }];
      default:
        throw unsupported(tag);
    }
  }

  #body(end: string, { depth }: Tag): Node[] {
    return this.#block([end], depth + 1).nodes;
  }

  #if({ rest, line, depth }: Tag): Node {
    const branches: { when: Expression | null; body: Node[] }[] = [];
    const condition = (text: string, at: number) =>
      this.#read(text, at, (reader) => reader.expression());
    let when: Expression | null = condition(rest, line);
    for (;;) {
      const block = this.#block(["elif", "else", "endif"], depth + 1);
      branches.push({ when, body: block.nodes });
      if (block.end.startsWith("endif")) return { kind: "if", branches };
      when = block.end.startsWith("elif") ? condition(block.end.slice(4), block.line) : null;
    }
  }

  #ifEqual({ word, rest, line, depth }: Tag): Node {
    const [left, right] = this.#read(rest, line, values);
    if (left === undefined || right === undefined) {
      throw new Fault("bad_request", `template, line ${line}: "{% ${word} %}" takes two values`);
    }
    const operator = word === "ifequal" ? "==" : "!=";
    const { nodes, end } = this.#block(["else", `end${word}`], depth + 1);
    const branches = [{ when: { kind: "binary", operator, left, right } as const, body: nodes }];
    if (end !== "else") return { kind: "if", branches };
    const otherwise = this.#block([`end${word}`], depth + 1).nodes;
    return { kind: "if", branches: [...branches, { when: null, body: otherwise }] };
  }

  #for(tag: Tag): Node {
    const { rest, line, depth } = tag;
    const match = /^(\w+)(?:\s*,\s*(\w+))?\s+in\s+(.+?)((?:\s+(?:reversed|sorted))*)$/s.exec(rest);
    if (match === null) throw unsupported(tag);
    const [, first = "", second, over = "", order = ""] = match;
    const { nodes, end } = this.#block(["empty", "endfor"], depth + 1);
    return {
      kind: "for",
      names: second === undefined ? [first] : [first, second],
      over: this.#read(over, line, (reader) => reader.filtered()),
      order: { isSorted: order.includes("sorted"), isReversed: order.includes("reversed") },
      body: nodes,
      empty: end === "empty" ? this.#block(["endfor"], depth + 1).nodes : [],
    };
  }

  /** The text up to the tag as it stands. */
  #untilTag(end: string): string {
    let text = "";
    while (this.#at < this.#pieces.length) {
      const piece = this.#pieces[this.#at++]?.text ?? "";
      if (piece.startsWith("{%") && inner(piece) === end) return text;
      text += piece;
    }
    throw new Fault("bad_request", `template ends without "${end}"`);
  }

  #read<T>(text: string, line: number, read: (reader: ExpressionReader) => T): T {
    try {
      const reader = new ExpressionReader(text);
      const result = read(reader);
      reader.expectEnd();
      return result;
    } catch (error) {
      throw new Fault("bad_request", `template, line ${line}: cannot read "${text.trim()}"`, {
        cause: error,
      });
    }
  }
}

/** Text loses the blanks at a tag with a dash on that side. */
function trimmed(text: string, before: string | undefined, after: string | undefined): string {
  if (/^\{[{%#]/.test(text)) return text;
  const start = /-[%}]\}$/.test(before ?? "") ? text.trimStart() : text;
  return /^\{[{%]-/.test(after ?? "") ? start.trimEnd() : start;
}

const inner = (tag: string): string => tag.slice(2, -2).replace(/^-|-$/g, "").trim();

function unsupported({ word, line }: Tag): Fault {
  return new Fault("bad_request", `template, line ${line}: "{% ${word} %}" is not supported`);
}

/** `name = value` @throws {SyntaxError} as all of them. */
function assignment(reader: ExpressionReader): readonly [string, Expression] {
  const name = reader.name();
  if (reader.take("=") === undefined) throw new SyntaxError("missing =");
  return [name, reader.expression()];
}

/** `a=1 b=2`, or `value as name`. */
function assignments(reader: ExpressionReader): Names {
  const names: (readonly [string, Expression])[] = [];
  const first = reader.filtered();
  if (reader.take("as") !== undefined) return [[reader.name(), first]];
  if (first.kind !== "path" || first.path.length !== 1 || reader.take("=") === undefined) {
    throw new SyntaxError("missing =");
  }
  names.push([first.path[0] ?? "", reader.filtered()]);
  while (!reader.isAtEnd) {
    const name = reader.name();
    if (reader.take("=") === undefined) throw new SyntaxError("missing =");
    names.push([name, reader.filtered()]);
  }
  return names;
}

function values(reader: ExpressionReader): Expression[] {
  const found: Expression[] = [];
  while (!reader.isAtEnd) found.push(reader.filtered());
  return found;
}

function filters(reader: ExpressionReader): FilterCall[] {
  const found = [reader.filterCall()];
  while (reader.take("|") !== undefined) found.push(reader.filterCall());
  return found;
}
