/** Why a running state can't be saved here: what CRIU says, or that it is not there. */

/** @returns One line, for error messages; undefined if CRIU finds all that it needs. */
export async function criuRefusal(): Promise<string | undefined> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("criu", {
      args: ["check"],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { LC_ALL: "C" },
      signal: AbortSignal.timeout(20_000),
    }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "CRIU isn't installed";
    return `criu check failed: ${error instanceof Error ? error.message : error}`;
  }
  const text = new TextDecoder().decode(output.stderr).trim().split("\n").at(-1) ?? "";
  if (!output.success) return `criu check says: ${text.slice(-300)}`;
  return undefined;
}
