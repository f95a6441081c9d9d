/**
 * Image templates: the part of pongo2 (Django's language) that files of a system need. An interpreter
 * of its own, over plain values: nothing in a template can reach JavaScript. Pure and bounded.
 */
import { Fault, unreachable } from "#base/errors.ts";
import type { Expression, FilterCall } from "./template_expression.ts";
import { applyFilter, escapeHtml } from "./template_filters.ts";
import { type Node, parseTemplate } from "./template_parser.ts";
import {
  calculate,
  compare,
  contains,
  isMap,
  isTruthy,
  itemsOf,
  partOf,
  show,
  type TemplateValue,
} from "./template_value.ts";

export type TemplateContext = Readonly<Record<string, TemplateValue>>;

const MAX_OUTPUT = 4 * 1024 * 1024;
/** Nodes, expressions and rounds of loops that one template may run: loops in loops end. */
const MAX_STEPS = 200_000;

/**
 * @throws {Fault} bad_request with the line of a construct that is not understood.
 */
export function renderTemplate(source: string, context: TemplateContext): string {
  const renderer = new Renderer();
  return renderer.render(parseTemplate(source), new Map(Object.entries(context)));
}

type Scope = Map<string, TemplateValue>;

class Renderer {
  #steps = 0;
  #size = 0;
  #isEscaping = false;

  #step(): void {
    if (++this.#steps > MAX_STEPS) throw new Fault("bad_request", "template takes too long");
  }

  #bounded(text: string): string {
    this.#size += text.length;
    if (this.#size > MAX_OUTPUT) throw new Fault("bad_request", "template makes too much text");
    return text;
  }

  /** What is set on the way stays in the scope. */
  render(nodes: readonly Node[], scope: Scope): string {
    return nodes.map((node) => this.#node(node, scope)).join("");
  }

  #node(node: Node, scope: Scope): string {
    this.#step();
    switch (node.kind) {
      case "text":
        return this.#bounded(node.text);
      case "value":
        return this.#value(node.expression, scope);
      case "firstof": {
        const hit = node.of.find((one) => isTruthy(this.#evaluate(one, scope)));
        return hit === undefined ? "" : this.#value(hit, scope);
      }
      case "if": {
        const hit = node.branches.find(({ when }) =>
          when === null || isTruthy(this.#evaluate(when, scope))
        );
        return hit === undefined ? "" : this.render(hit.body, scope);
      }
      case "for":
        return this.#for(node, scope);
      case "set": {
        const target = node.body === undefined ? scope : new Map(scope);
        const values = node.names.map(([, value]) => this.#evaluate(value, scope));
        for (const [index, [name]] of node.names.entries()) target.set(name, values[index] ?? "");
        return node.body === undefined ? "" : this.render(node.body, target);
      }
      case "filter": {
        let value: TemplateValue = this.render(node.body, scope);
        for (const filter of node.filters) value = this.#filter(value, filter, scope);
        return this.#bounded(show(value));
      }
      case "spaceless":
        return this.render(node.body, scope).trim().replace(/>\s+</g, "><");
      case "autoescape": {
        const before = this.#isEscaping;
        this.#isEscaping = node.isOn;
        const text = this.render(node.body, scope);
        this.#isEscaping = before;
        return text;
      }
      default:
        return unreachable(node);
    }
  }

  #value(expression: Expression, scope: Scope): string {
    const text = show(this.#evaluate(expression, scope));
    const isSafe = expression.kind === "filter" &&
      ["safe", "escape", "force_escape"].includes(expression.filter.name);
    return this.#bounded(this.#isEscaping && !isSafe ? escapeHtml(text) : text);
  }

  #for(node: Extract<Node, { kind: "for" }>, scope: Scope): string {
    const over = this.#evaluate(node.over, scope);
    const ordered = node.order.isSorted
      ? itemsOf(over).toSorted((a, b) => show(a) < show(b) ? -1 : 1)
      : itemsOf(over);
    const items = node.order.isReversed ? ordered.toReversed() : ordered;
    if (items.length === 0) return this.render(node.empty, new Map(scope));
    const outer = scope.get("forloop") ?? "";
    return items.map((item, index) => {
      this.#step();
      const inside = new Map(scope);
      const [first = "", second] = node.names;
      inside.set(first, item);
      if (second !== undefined) inside.set(second, isMap(over) ? partOf(over, show(item)) : "");
      inside.set("forloop", {
        Counter: index + 1,
        Counter0: index,
        Revcounter: items.length - index,
        Revcounter0: items.length - index - 1,
        First: index === 0,
        Last: index === items.length - 1,
        Parentloop: outer,
      });
      return this.render(node.body, inside);
    }).join("");
  }

  #filter(value: TemplateValue, { name, argument }: FilterCall, scope: Scope): TemplateValue {
    const result = applyFilter(
      name,
      value,
      argument === undefined ? "" : this.#evaluate(argument, scope),
    );
    // Texts that double in a loop would take all memory before one is written.
    if (typeof result === "string" && result.length > MAX_OUTPUT) this.#bounded(result);
    return result;
  }

  #evaluate(expression: Expression, scope: Scope): TemplateValue {
    this.#step();
    switch (expression.kind) {
      case "literal":
        return expression.value;
      case "path": {
        const [first = "", ...parts] = expression.path;
        return parts.reduce(partOf, scope.get(first) ?? "");
      }
      case "call": {
        const callee = scope.get(expression.name);
        if (typeof callee !== "function") {
          throw new Fault(
            "bad_request",
            `template calls "${expression.name}", which is no function`,
          );
        }
        return callee(...expression.args.map((arg) => show(this.#evaluate(arg, scope))));
      }
      case "filter":
        return this.#filter(this.#evaluate(expression.of, scope), expression.filter, scope);
      case "not":
        return !isTruthy(this.#evaluate(expression.of, scope));
      case "negative":
        return calculate("-", 0, this.#evaluate(expression.of, scope));
      case "binary":
        return this.#binary(expression, scope);
      default:
        return unreachable(expression);
    }
  }

  #binary(
    { operator, left, right }: Extract<Expression, { kind: "binary" }>,
    scope: Scope,
  ): TemplateValue {
    const first = this.#evaluate(left, scope);
    const second = () => this.#evaluate(right, scope);
    switch (operator) {
      case "and":
        return isTruthy(first) && isTruthy(second());
      case "or":
        return isTruthy(first) || isTruthy(second());
      case "in":
        return contains(second(), first);
      case "==":
      case "!=":
      case "<":
      case "<=":
      case ">":
      case ">=":
        return compare(operator, first, second());
      default:
        return calculate(operator, first, second());
    }
  }
}
