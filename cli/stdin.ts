/** Standard input: all of it, or an answer to a question. */

/** All of stdin as text. */
export function readStdin(): string {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = Deno.stdin.readSync(buffer);
    if (count === null || count === 0) break;
    parts.push(buffer.slice(0, count));
  }
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

/** One line of stdin, byte by byte so that the rest stays for others; undefined at its end. */
export function readLine(): string | undefined {
  const bytes: number[] = [];
  const buffer = new Uint8Array(1);
  for (;;) {
    const count = Deno.stdin.readSync(buffer);
    if (count === null || count === 0) {
      if (bytes.length === 0) return undefined;
      break;
    }
    if (buffer[0] === 10) break;
    bytes.push(buffer[0] ?? 0);
  }
  return new TextDecoder().decode(new Uint8Array(bytes)).replace(/\r$/, "");
}

/** A secret: the terminal doesn't show what is typed. */
export function readPassword(): string {
  if (!Deno.stdin.isTerminal()) return readLine() ?? "";
  const stty = (word: string) =>
    new Deno.Command("stty", { args: [word], stdin: "inherit" }).outputSync();
  stty("-echo");
  try {
    return readLine() ?? "";
  } finally {
    stty("echo");
  }
}
