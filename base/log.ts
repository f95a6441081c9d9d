/** Structured log lines, as text or JSON. Only http/, operations/ and main.ts log; all below throws. */

export type Level = "debug" | "info" | "warning" | "error";
export type Fields = Readonly<Record<string, unknown>>;

export interface LogOptions {
  readonly level: Level;
  readonly format: "text" | "json";
  /** Gets each finished line, newline included. */
  readonly write: (line: string) => void;
  /** Sees every record that passes the level, for the `logging` events of the API. */
  readonly observe?: (record: LogRecord) => void;
}

export interface LogRecord {
  readonly time: Date;
  readonly level: Level;
  readonly message: string;
  readonly fields: Fields;
}

const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warning: 2, error: 3 };

/** Lines below the level are dropped; `observe` sees the others as records. */
export class Logger {
  readonly #options: LogOptions;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  debug(message: string, fields: Fields = {}): void {
    this.#emit("debug", message, fields);
  }
  info(message: string, fields: Fields = {}): void {
    this.#emit("info", message, fields);
  }
  warn(message: string, fields: Fields = {}): void {
    this.#emit("warning", message, fields);
  }
  error(message: string, fields: Fields = {}): void {
    this.#emit("error", message, fields);
  }

  #emit(level: Level, message: string, fields: Fields): void {
    if (RANK[level] < RANK[this.#options.level]) return;
    const record: LogRecord = { time: new Date(), level, message, fields };
    this.#options.write(formatRecord(record, this.#options.format));
    this.#options.observe?.(record);
  }
}

/** One line: `time="..." level=info msg="..." key=value` or JSON. */
function formatRecord(record: LogRecord, format: "text" | "json"): string {
  const { time, level, message, fields } = record;
  const plain = Object.entries(fields).map(([key, value]) => [key, plainValue(value)] as const);
  if (format === "json") {
    const object = { time: time.toISOString(), level, msg: message, ...Object.fromEntries(plain) };
    return JSON.stringify(object) + "\n";
  }
  const tail = plain.map(([key, value]) => ` ${key}=${quoteText(value)}`).join("");
  return `time="${time.toISOString()}" level=${level} msg=${JSON.stringify(message)}${tail}\n`;
}

function plainValue(value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === "bigint" ? value.toString() : value;
}

function quoteText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "undefined";
  return /^[\w./:@-]+$/.test(text) ? text : JSON.stringify(text);
}
