/** Expressions of templates: names, values, calls, filters, operators. Pure. */
import { type Arithmetic, type Comparison, Real, type TemplateValue } from "./template_value.ts";

export type Operator = "and" | "or" | "in" | Comparison | Arithmetic;

export interface FilterCall {
  readonly name: string;
  readonly argument?: Expression;
}

export type Expression =
  | { readonly kind: "literal"; readonly value: TemplateValue }
  | { readonly kind: "path"; readonly path: readonly string[] }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: "filter"; readonly of: Expression; readonly filter: FilterCall }
  | { readonly kind: "not"; readonly of: Expression }
  | { readonly kind: "negative"; readonly of: Expression }
  | {
    readonly kind: "binary";
    readonly operator: Operator;
    readonly left: Expression;
    readonly right: Expression;
  };

const TOKENS_MAX = 200;
const NUMBER = /^\d+(\.\d+)?$/;
/** A name goes on behind a dash, as LXD's keys do, unless spaces make it a subtraction. */
const TOKEN =
  /\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|==|!=|<>|<=|>=|&&|\|\||\d+\.\d+|[|:(),.!<>=+*/%^]|[A-Za-z_][\w-]*|\w+|-)/y;

/** @throws {SyntaxError} */
function tokenize(text: string): string[] {
  const tokens: string[] = [];
  const source = text.trim();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (match === null || tokens.length > TOKENS_MAX) throw new SyntaxError("unexpected character");
    tokens.push(match[1] ?? "");
  }
  return tokens;
}

const UNESCAPE: Readonly<Record<string, string>> = { n: "\n", t: "\t" };

const COMPARISONS: Readonly<Record<string, Operator>> = {
  "==": "==",
  "!=": "!=",
  "<>": "!=",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
  in: "in",
};
const SUMS: Readonly<Record<string, Operator>> = { "+": "+", "-": "-" };
const PRODUCTS: Readonly<Record<string, Operator>> = { "*": "*", "/": "/", "%": "%" };
const POWERS: Readonly<Record<string, Operator>> = { "^": "^" };

/** Recursive descent, loosest binding first; `not` binds as tightly as a sign, as in pongo2. */
export class ExpressionReader {
  #at = 0;
  readonly #tokens: readonly string[];

  /** @throws {SyntaxError} */
  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  /** Read a word if it is next. */
  take(...words: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !words.includes(token)) return undefined;
    this.#at++;
    return token;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** @throws {SyntaxError} if something follows. */
  expectEnd(): void {
    if (!this.isAtEnd) throw new SyntaxError(`unexpected "${this.#tokens[this.#at]}"`);
  }

  /** @throws {SyntaxError} as all below. */
  expression(): Expression {
    return this.#chain({ or: "or", "||": "or" }, () => this.#conjunction());
  }

  #conjunction(): Expression {
    return this.#chain({ and: "and", "&&": "and" }, () => this.#comparison());
  }

  #comparison(): Expression {
    return this.#chain(COMPARISONS, () => this.#sum());
  }

  #sum(): Expression {
    return this.#chain(SUMS, () => this.#signed());
  }

  #signed(): Expression {
    if (this.take("not", "!") !== undefined) return { kind: "not", of: this.#signed() };
    if (this.take("-") !== undefined) return { kind: "negative", of: this.#product() };
    return this.#product();
  }

  #product(): Expression {
    return this.#chain(PRODUCTS, () => this.#chain(POWERS, () => this.filtered()));
  }

  #chain(operators: Readonly<Record<string, Operator>>, next: () => Expression): Expression {
    let left = next();
    for (;;) {
      const token = this.take(...Object.keys(operators));
      const operator = token === undefined ? undefined : operators[token];
      if (operator === undefined) return left;
      left = { kind: "binary", operator, left, right: next() };
    }
  }

  /** A value with its filters: what tags take where they take several. */
  filtered(): Expression {
    let value = this.#atom();
    while (this.take("|") !== undefined) {
      value = { kind: "filter", of: value, filter: this.filterCall() };
    }
    return value;
  }

  filterCall(): FilterCall {
    const name = this.name();
    return this.take(":") === undefined ? { name } : { name, argument: this.#atom() };
  }

  #atom(): Expression {
    if (this.take("(") !== undefined) {
      const inner = this.expression();
      if (this.take(")") === undefined) throw new SyntaxError("missing )");
      return inner;
    }
    if (this.take("-") !== undefined) return { kind: "negative", of: this.#atom() };
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new SyntaxError("unexpected end");
    this.#at++;
    if (/^["']/.test(token)) {
      const value = token.slice(1, -1).replace(/\\(.)/g, (_, c: string) => UNESCAPE[c] ?? c);
      return { kind: "literal", value };
    }
    if (NUMBER.test(token)) {
      const value = token.includes(".") ? new Real(Number(token)) : Number(token);
      return { kind: "literal", value };
    }
    if (/^true$/i.test(token)) return { kind: "literal", value: true };
    if (/^false$/i.test(token)) return { kind: "literal", value: false };
    if (!/^\w/.test(token)) throw new SyntaxError(`unexpected "${token}"`);
    if (this.take("(") !== undefined) return this.#call(token);
    const path = [token];
    while (this.take(".") !== undefined) path.push(this.name());
    return { kind: "path", path };
  }

  #call(name: string): Expression {
    const args: Expression[] = [];
    while (this.take(")") === undefined) {
      args.push(this.expression());
      if (this.take(",") === undefined && this.#tokens[this.#at] !== ")") {
        throw new SyntaxError("missing )");
      }
    }
    return { kind: "call", name, args };
  }

  name(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || !/^\w/.test(token)) throw new SyntaxError("name expected");
    this.#at++;
    return token;
  }
}
