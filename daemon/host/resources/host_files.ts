/** /sys, /proc, /dev and /run of the host, or of a directory where a test made them up. */

/** What can't be read counts as absent: no question here fails. */
export class HostFiles {
  readonly #root: string;

  /** @param root "", or a directory that stands for "/". */
  constructor(root = "") {
    this.#root = root;
  }

  /** Trimmed; "" if it is not there: hardware goes at any moment, and not all has all files. */
  async text(path: string): Promise<string> {
    const text = await Deno.readTextFile(this.#root + path).catch(() => ""); // Ignored: as said.
    return text.trim();
  }

  /** Empty if it is not there. */
  async bytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
    return await Deno.readFile(this.#root + path).catch(() => new Uint8Array());
  }

  /** 0 if it is not there, or no number. */
  async number(path: string): Promise<number> {
    return Number(await this.text(path)) || 0;
  }

  async has(path: string): Promise<boolean> {
    return await Deno.lstat(this.#root + path).then(() => true, () => false);
  }

  /** Names in a directory, sorted; none if it is not there. */
  async names(path: string): Promise<string[]> {
    try {
      const entries = await Array.fromAsync(Deno.readDir(this.#root + path));
      return entries.map(({ name }) => name).toSorted();
    } catch {
      return []; // Ignored: this host has no hardware of that kind.
    }
  }

  /** Where the links of a path lead to; undefined if nowhere. */
  async real(path: string): Promise<string | undefined> {
    try {
      const [root, real] = [
        await Deno.realPath(`${this.#root}/`),
        await Deno.realPath(this.#root + path),
      ];
      return real.startsWith(root) ? `/${real.slice(root.length).replace(/^\//, "")}` : undefined;
    } catch {
      return undefined; // Ignored: a driver or device that is not there.
    }
  }

  /** The last part of what a link leads to; "" if nowhere. */
  async linkName(path: string): Promise<string> {
    return baseName(await this.real(path) ?? "");
  }
}

/** What is behind the last slash. */
export const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);
/** What is before the last slash. */
export const parentOf = (path: string) => path.slice(0, path.lastIndexOf("/"));

/** `{[key]: value}`, or nothing if there is no value: what LXD leaves out of its JSON. */
export function unlessEmpty<Key extends string, Value>(
  key: Key,
  value: Value,
): Partial<Record<Key, Value>> {
  const isEmpty = value === "" || value === 0 || value === undefined ||
    (Array.isArray(value) && value.length === 0);
  return isEmpty ? {} : { [key]: value } as Record<Key, Value>;
}
