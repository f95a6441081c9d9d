/** What the client keeps of a remote beside its configuration, and the names that serve for it. */
import type { Context } from "#cli/context.ts";

export const certificatePath = (context: Context, name: string) =>
  `${context.config.directory}/servercerts/${name}.crt`;

/** @throws for names that could not be told from something else. */
export function checkName(name: string): void {
  if (name.includes(":")) throw new Error("Remote names may not contain colons");
  if (name === "" || name.includes("/") || name === "." || name === "..") {
    throw new Error(`Invalid remote name "${name}": it must not be empty or have slashes`);
  }
}

/** Absent is no error. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
