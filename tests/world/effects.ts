/**
 * What a program does to the world: calls of the runtime and of libc that change files or mounts, and
 * the programs that it runs. A test can end it in front of any of them; the product knows nothing of it.
 */

/** Answers true if the world has ended for the caller: then nothing more of it happens. */
export type Before = (effect: string) => boolean;

const CALLS = [
  ...["mkdir", "rename", "remove", "symlink", "link", "chmod", "chown", "copyFile"],
  ...["writeTextFile", "writeFile", "truncate"],
];
const LIBC = ["mount", "umount2", "renameat2", "syscall"];
const MOVE_MOUNT = 429;

/** Put `before` in front of every effect from now on; libraries must not have been opened yet. */
export function watchEffects(before: Before): void {
  // deno-lint-ignore no-explicit-any
  const space = Deno as any;
  for (const name of CALLS) {
    const [later, now] = [space[name], space[`${name}Sync`]];
    space[name] = (...args: unknown[]) => before(`${name} ${args[0]}`) ? forever() : later(...args);
    space[`${name}Sync`] = (...args: unknown[]) => {
      if (before(`${name} ${args[0]}`)) throw new Error("ended");
      return now(...args);
    };
  }
  space.Command = watchedCommand(before);
  const { dlopen } = Deno;
  space.dlopen = (file: string, table: Deno.ForeignLibraryInterface) => {
    const library = dlopen(file, table);
    const symbols: Record<string, unknown> = { ...library.symbols };
    for (const name of LIBC) {
      const original = symbols[name] as ((...args: unknown[]) => unknown) | undefined;
      if (original === undefined) continue;
      symbols[name] = (...args: unknown[]) => {
        const counts = name !== "syscall" || Number(args[0]) === MOVE_MOUNT;
        if (counts && before(name)) throw new Error("ended");
        return original(...args);
      };
    }
    return { symbols, close: () => library.close() };
  };
}

function watchedCommand(before: Before) {
  const { Command } = Deno;
  return class extends Command {
    readonly #what: string;

    constructor(command: string | URL, options?: Deno.CommandOptions) {
      super(command, options);
      this.#what = [command, ...options?.args ?? []].join(" ");
    }

    override spawn(): Deno.ChildProcess {
      if (before(`before ${this.#what}`)) throw new Error("ended");
      const child = super.spawn();
      before(`while it runs: ${this.#what}`);
      return child;
    }

    override output(): Promise<Deno.CommandOutput> {
      return before(`before ${this.#what}`) ? forever() : super.output();
    }
  };
}

function forever<T>(): Promise<T> {
  return new Promise(() => {});
}
