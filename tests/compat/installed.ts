/** What tests of real clients and servers need installed; one that is missing says how to get it. */

/** Is the program there? If not, say so; the caller then defines its tests as ignored. */
export async function isInstalled(program: string, debianPackage: string): Promise<boolean> {
  try {
    await Deno.stat(program);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped, needs ${program}: tools/bootstrap ${debianPackage} installs it`);
    return false;
  }
}
