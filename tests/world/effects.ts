/**
 * What a program does to the world: calls of the runtime and of libc that change files or mounts, and
 * the programs that it runs. A test can end it in front of any of them, or let one fail; the product knows
 * nothing of it.
 */

/** "ended": the world has ended for the caller, nothing more of it happens. */
export type Fate = "happens" | "fails" | "ended";
/** @param started The program, where the effect is its run. */
export type Before = (effect: string, started?: Deno.ChildProcess) => Fate;

const CALLS = [
  ...["mkdir", "rename", "remove", "symlink", "link", "chmod", "chown", "copyFile"],
  ...["writeTextFile", "writeFile", "truncate"],
];
const LIBC = ["mount", "umount2", "renameat2", "syscall"];
const MOVE_MOUNT = 429;
const EIO = 5;

// deno-lint-ignore no-explicit-any
type Call = (...args: any[]) => any;

function throwUnless(fate: Fate, effect: string): void {
  if (fate === "ended") throw new Error("ended");
  if (fate === "fails") throw new Error(`made to fail: ${effect}`);
}

function rejectUnless<T>(fate: Fate, effect: string, run: () => Promise<T>): Promise<T> {
  if (fate === "ended") return new Promise(() => {});
  return fate === "fails" ? Promise.reject(new Error(`made to fail: ${effect}`)) : begun(run());
}

const running = new Set<Promise<unknown>>();

function begun<T>(effect: Promise<T>): Promise<T> {
  const end = effect.catch(() => {}).finally(() => running.delete(end)); // Ignored: its caller hears of it.
  running.add(end);
  return effect;
}

/** Until the effects that have begun, of anybody, have ended. */
export async function effectsEnded(): Promise<void> {
  await Promise.all(running);
}

/** Put `before` in front of every effect from now on; libraries must not have been opened yet. */
export function watchEffects(before: Before): void {
  // deno-lint-ignore no-explicit-any
  const space = Deno as any;
  for (const name of CALLS) {
    const [later, now] = [space[name], space[`${name}Sync`]];
    space[name] = (...args: unknown[]) => {
      const effect = `${name} ${args[0]}`;
      return rejectUnless(before(effect), effect, () => later(...args));
    };
    space[`${name}Sync`] = (...args: unknown[]) => {
      const effect = `${name} ${args[0]}`;
      throwUnless(before(effect), effect);
      return now(...args);
    };
  }
  space.Command = watchedCommand(before);
  const { dlopen } = Deno;
  space.dlopen = (file: string, table: Deno.ForeignLibraryInterface) => {
    const library = dlopen(file, table);
    const symbols: Record<string, unknown> = { ...library.symbols };
    const errnoOf = symbols["__errno_location"] as Call | undefined;
    for (const name of LIBC) {
      const original = symbols[name] as Call | undefined;
      if (original === undefined) continue;
      symbols[name] = (...args: unknown[]) => {
        const counts = name !== "syscall" || Number(args[0]) === MOVE_MOUNT;
        const fate = counts ? before(name) : "happens";
        if (fate === "happens") return original(...args);
        throwUnless(fate === "ended" ? fate : "happens", name);
        setErrno(errnoOf);
        return name === "syscall" ? -1n : -1;
      };
    }
    const spawn = symbols["posix_spawn"] as Call | undefined;
    if (spawn !== undefined) symbols["posix_spawn"] = watchedSpawn(before, spawn);
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
      const effect = `before ${this.#what}`;
      throwUnless(before(effect), effect);
      const child = super.spawn();
      void begun(child.status);
      const fate = before(`while it runs: ${this.#what}`, child);
      return fate === "ended" ? unheard(child) : child;
    }

    override output(): Promise<Deno.CommandOutput> {
      const effect = `before ${this.#what}`;
      return rejectUnless(before(effect), effect, () => super.output());
    }
  };
}

/** It runs on, but its end is not told. */
function unheard(child: Deno.ChildProcess): Deno.ChildProcess {
  const never = new Promise<never>(() => {});
  const silent = { status: never, output: () => never };
  return new Proxy(child, {
    get: (target, name) => {
      if (name in silent) return silent[name as keyof typeof silent];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The C helper is started by libc. */
function watchedSpawn(before: Before, spawn: Call): Call {
  return (...args: unknown[]) => {
    const effect = `helper ${commandOf(args[4])}`;
    const fate = before(effect);
    if (fate === "fails") return EIO;
    throwUnless(fate, effect);
    return spawn(...args);
  };
}

function setErrno(errnoOf: Call | undefined): void {
  const place = errnoOf?.() ?? null;
  if (place !== null) new Int32Array(Deno.UnsafePointerView.getArrayBuffer(place, 4))[0] = EIO;
}

/** The words of a char *const argv[] but the first. */
function commandOf(argv: unknown): string {
  const words: string[] = [];
  for (const value of new BigUint64Array((argv as Uint8Array<ArrayBuffer>).buffer)) {
    const word = Deno.UnsafePointer.create(value);
    if (word !== null) words.push(Deno.UnsafePointerView.getCString(word));
  }
  return words.slice(1).join(" ");
}
