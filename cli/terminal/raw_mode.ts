/** The user's terminal: raw mode, size. */

/**
 * Put the terminal on stdin into raw mode until disposed. `stty` does it, because Deno's setRaw()
 * goes on turning line feeds into CR LF, which programs that draw on the screen can't bear.
 * Nothing happens if stdin is no terminal.
 */
export function rawMode(): Disposable {
  if (!Deno.stdin.isTerminal()) return { [Symbol.dispose]() {} };
  const saved = stty("stty -g && stty raw -echo");
  return {
    [Symbol.dispose]() {
      stty('stty "$1"', saved.trim());
    },
  };
}

function stty(script: string, ...args: string[]): string {
  const { stdout } = new Deno.Command("sh", {
    args: ["-c", script, "sh", ...args],
    stdin: "inherit",
    stderr: "inherit",
  }).outputSync();
  return new TextDecoder().decode(stdout);
}

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** Columns and rows; 0 and 0 if no standard stream is a terminal. */
export function terminalSize(): TerminalSize {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { width: columns, height: rows };
  } catch {
    return { width: 0, height: 0 }; // Ignored: no terminal, no size.
  }
}
