/** Files that may be absent. */

/** The text of a file; undefined if there is none. One that can't be read is an error, not absent. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
