/**
 * Notes of changes that have several steps: each is written to a file before its first step and forgotten
 * after its last, so that the next start of the daemon finishes or undoes what a crash cut off.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { entries } from "./files.ts";

export class Notes {
  readonly #folder: HostPath;

  constructor(folder: HostPath) {
    this.#folder = folder;
  }

  /** @param note As JSON. Dispose the result when the change is whole, or undone. */
  async write(note: unknown): Promise<AsyncDisposable> {
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = hostPath(`${this.#folder}/${crypto.randomUUID()}`);
    await Deno.writeTextFile(`${path}.new`, JSON.stringify(note), { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
    return { [Symbol.asyncDispose]: () => Deno.remove(path) };
  }

  /** Those that were cut off; forget each when it is repaired. One that was never begun is dropped. */
  async all(): Promise<Note[]> {
    const found: Note[] = [];
    for (const name of await entries(this.#folder)) {
      const path = hostPath(`${this.#folder}/${name}`);
      const forget = () => Deno.remove(path);
      if (name.endsWith(".new")) await forget();
      else found.push({ path, read: () => readNote(path), forget });
    }
    return found;
  }
}

export interface Note {
  readonly path: HostPath;
  /** Its fields. */
  read(): Promise<Readonly<Record<string, unknown>>>;
  forget(): Promise<void>;
}

async function readNote(path: HostPath): Promise<Readonly<Record<string, unknown>>> {
  return fieldsOf(JSON.parse(await Deno.readTextFile(path)));
}

/** Of anything that is no object: none. Pure. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** "" if it is not there. Pure. */
export function textOf(fields: Readonly<Record<string, unknown>>, name: string): string {
  return `${fields[name] ?? ""}`;
}
