/** Results to stdout, talk to stderr, progress on a terminal only. */

export interface Streams {
  readonly isTerminal: boolean;
  readonly quiet: boolean;
  writeOut(bytes: Uint8Array): void;
  writeError(bytes: Uint8Array): void;
  columns(): number;
}

const encoder = new TextEncoder();

/** Whatever is written takes the line of progress away first. */
export class Output {
  readonly #streams: Streams;
  #progress = "";

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** May progress be shown? */
  get showsProgress(): boolean {
    return this.#streams.isTerminal && !this.#streams.quiet;
  }

  /** A line of the result. */
  line(text: string): void {
    this.text(`${text}\n`);
  }

  text(text: string): void {
    this.done();
    this.#streams.writeOut(encoder.encode(text));
  }

  bytes(bytes: Uint8Array): void {
    this.#streams.writeOut(bytes);
  }

  /** Talk that isn't a result; silent with --quiet. */
  say(text: string): void {
    if (!this.#streams.quiet) this.text(`${text}\n`);
  }

  error(text: string): void {
    this.done();
    this.#streams.writeError(encoder.encode(`${text}\n`));
  }

  /** Text for stderr without a newline: a question. */
  ask(text: string): void {
    this.done();
    this.#streams.writeError(encoder.encode(text));
  }

  /** Replace the progress line. */
  progress(text: string): void {
    if (!this.showsProgress) return;
    const shown = text.slice(0, Math.max(10, this.#streams.columns() - 1));
    if (shown === this.#progress) return;
    this.#streams.writeError(encoder.encode(`\r${shown}\x1b[K`));
    this.#progress = shown;
  }

  /** Take the progress line away. */
  done(): void {
    if (this.#progress === "") return;
    this.#progress = "";
    this.#streams.writeError(encoder.encode("\r\x1b[K"));
  }
}

/** The process's own streams. A closed pipe throws Deno.errors.BrokenPipe. */
export function processStreams(quiet: boolean): Streams {
  return {
    isTerminal: Deno.stderr.isTerminal(),
    quiet,
    writeOut: (bytes) => writeSync(Deno.stdout, bytes),
    writeError: (bytes) => writeSync(Deno.stderr, bytes),
    columns: () => {
      try {
        return Deno.consoleSize().columns;
      } catch {
        return 80; // Ignored: no terminal, so no size.
      }
    },
  };
}

function writeSync(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += stream.writeSync(bytes.subarray(offset));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** The progress that an operation tells in its metadata: "Unpack: 100% (12.85GB/s)". */
export function progressText(metadata: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, value] of Object.entries(metadata)) {
    if (key.endsWith("_progress") && typeof value === "string") return value;
  }
  return undefined;
}
