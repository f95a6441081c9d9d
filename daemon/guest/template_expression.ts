/** Expressions of templates: names, texts, calls, filters, comparisons. Pure. */

export type Expression =
  | { readonly kind: "literal"; readonly value: string | boolean }
  | { readonly kind: "path"; readonly path: readonly string[] }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] }
  | {
    readonly kind: "filter";
    readonly of: Expression;
    readonly name: string;
    readonly argument?: Expression;
  }
  | { readonly kind: "not"; readonly of: Expression }
  | {
    readonly kind: "binary";
    readonly operator: "and" | "or" | "==" | "!=" | "in";
    readonly left: Expression;
    readonly right: Expression;
  };

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|==|!=|&&|\|\||[|:(),.!]|[\w-]+)/y;

/** @throws {SyntaxError} */
export function tokenize(text: string): string[] {
  const tokens: string[] = [];
  const source = text.trim();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (match === null || tokens.length > 200) throw new SyntaxError("unexpected character");
    tokens.push(match[1] ?? "");
  }
  return tokens;
}

/** @throws {SyntaxError} */
export function parseExpression(tokens: readonly string[]): Expression {
  const reader = new Reader(tokens);
  const expression = reader.or();
  reader.expectEnd();
  return expression;
}

const UNESCAPE: Readonly<Record<string, string>> = { n: "\n", t: "\t" };

/** Recursive descent, loosest binding first. */
class Reader {
  #at = 0;
  constructor(readonly tokens: readonly string[]) {}

  #peek(): string | undefined {
    return this.tokens[this.#at];
  }

  #take(...words: string[]): string | undefined {
    const token = this.#peek();
    if (token === undefined || !words.includes(token)) return undefined;
    this.#at++;
    return token;
  }

  expectEnd(): void {
    if (this.#peek() !== undefined) throw new SyntaxError(`unexpected "${this.#peek()}"`);
  }

  or(): Expression {
    let left = this.#and();
    while (this.#take("or", "||") !== undefined) {
      left = { kind: "binary", operator: "or", left, right: this.#and() };
    }
    return left;
  }

  #and(): Expression {
    let left = this.#comparison();
    while (this.#take("and", "&&") !== undefined) {
      left = { kind: "binary", operator: "and", left, right: this.#comparison() };
    }
    return left;
  }

  #comparison(): Expression {
    if (this.#take("not", "!") !== undefined) return { kind: "not", of: this.#comparison() };
    const left = this.#filtered();
    const operator = this.#take("==", "!=", "in");
    if (operator === undefined) return left;
    return {
      kind: "binary",
      operator: operator as "==" | "!=" | "in",
      left,
      right: this.#filtered(),
    };
  }

  #filtered(): Expression {
    let value = this.#atom();
    while (this.#take("|") !== undefined) {
      const name = this.#name();
      if (this.#take(":") === undefined) value = { kind: "filter", of: value, name };
      else value = { kind: "filter", of: value, name, argument: this.#atom() };
    }
    return value;
  }

  #atom(): Expression {
    if (this.#take("(") !== undefined) {
      const inner = this.or();
      if (this.#take(")") === undefined) throw new SyntaxError("missing )");
      return inner;
    }
    const token = this.#peek();
    if (token === undefined) throw new SyntaxError("unexpected end");
    this.#at++;
    if (/^["']/.test(token)) {
      const value = token.slice(1, -1).replace(/\\(.)/g, (_, c: string) => UNESCAPE[c] ?? c);
      return { kind: "literal", value };
    }
    if (/^-?\d+$/.test(token)) return { kind: "literal", value: token };
    if (/^true$/i.test(token)) return { kind: "literal", value: true };
    if (/^false$/i.test(token)) return { kind: "literal", value: false };
    if (!/^[\w-]+$/.test(token)) throw new SyntaxError(`unexpected "${token}"`);
    if (this.#take("(") !== undefined) return this.#call(token);
    const path = [token];
    while (this.#take(".") !== undefined) path.push(this.#name());
    return { kind: "path", path };
  }

  #call(name: string): Expression {
    const args: Expression[] = [];
    while (this.#take(")") === undefined) {
      args.push(this.or());
      if (this.#take(",") === undefined && this.#peek() !== ")") throw new SyntaxError("missing )");
    }
    return { kind: "call", name, args };
  }

  #name(): string {
    const token = this.#peek();
    if (token === undefined || !/^[\w-]+$/.test(token)) throw new SyntaxError("name expected");
    this.#at++;
    return token;
  }
}
