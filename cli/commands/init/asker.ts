/** Questions with answers on standard input, from a terminal or a pipe. */
import type { Context } from "#cli/context.ts";
import { readLine, readPassword } from "#cli/stdin.ts";

/** How an interview is held; tests answer from a list. */
export interface Asker {
  /** yes, no, y or n; the question tells the default. */
  bool(question: string, fallback: "yes" | "no"): boolean;
  /** @param check says what is wrong with an answer. Without a fallback an answer is needed. */
  text(question: string, fallback?: string, check?: (answer: string) => string | undefined): string;
  number(question: string, fallback: number, range: readonly [number, number]): number;
  choice(question: string, choices: readonly string[], fallback: string): string;
  /** Asked twice; "" sets none. */
  password(question: string): string;
  tell(text: string): void;
}

/** Ask on the terminal. Questions go to stdout, as LXD's do. @throws at the end of the input. */
export function terminalAsker(context: Context): Asker {
  const { out } = context;
  const next = (question: string, read: () => string | undefined = readLine): string => {
    out.text(question);
    const answer = read();
    if (answer === undefined) throw new Error("EOF");
    return answer.trim();
  };
  const until = <T>(ask: () => { value: T } | { problem: string }): T => {
    for (;;) {
      const result = ask();
      if ("value" in result) return result.value;
      out.error(`${result.problem}\n`);
    }
  };
  const again = { problem: "Invalid input, try again." };
  return {
    bool: (question, fallback) =>
      until(() => {
        const answer = (next(question) || fallback).toLowerCase();
        if (answer === "yes" || answer === "y") return { value: true };
        return answer === "no" || answer === "n" ? { value: false } : again;
      }),
    text: (question, fallback, check) =>
      until(() => {
        const answer = next(question) || fallback;
        if (answer === undefined || answer === "") return again;
        const problem = check?.(answer);
        return problem === undefined ? { value: answer } : { problem: `Invalid input: ${problem}` };
      }),
    number: (question, fallback, [least, most]) =>
      until<number>(() => {
        const answer = next(question) || String(fallback);
        if (!/^[-+]?\d+$/.test(answer)) return { problem: "Invalid input: not a whole number" };
        const value = Number(answer);
        if (value < least || value > most) return { problem: "Invalid input: out of range" };
        return { value };
      }),
    choice: (question, choices, fallback) =>
      until(() => {
        const answer = next(question) || fallback;
        return choices.includes(answer) ? { value: answer } : again;
      }),
    password: (question) =>
      until(() => {
        const first = next(`${question}: `, hidden);
        if (first === "") return { value: "" };
        return next("Again: ", hidden) === first ? { value: first } : again;
      }),
    tell: (text) => out.line(text),
  };

  function hidden(): string | undefined {
    if (!Deno.stdin.isTerminal()) return readLine();
    const secret = readPassword();
    out.text("\n");
    return secret;
  }
}
