/**
 * The composition root: argv -> client or daemon. Run directly it is the program (development:
 * `deno run -A mod.ts list`); imported it is the typed client as a library.
 */
import { type Program, routeCall } from "#base/program.ts";

export { Client, connect } from "#api/client.ts";
export type { Program };

/** Run one call of the program. @returns the exit status. */
export async function run(program: Program): Promise<number> {
  if (routeCall(program.argv0, program.args) === "daemon") {
    const part = await program.loadDaemon();
    return await part.main(program);
  }
  const isExec = program.args.some((word) => word === "exec" || word === "shell");
  const { main } = isExec ? await import("#cli/common_exec.ts") : await import("#cli/common.ts");
  return await main(program);
}

if (import.meta.main) {
  const root = new URL(".", import.meta.url).pathname;
  const status = await run({
    argv0: Deno.env.get("LXD_ARGV0") ?? "lxd",
    args: Deno.args,
    loadDaemon: () => import("#daemon/main.ts"),
    loadClient: () => import("#cli/whole.ts"),
    helper: () => Deno.readFile(`${root}/dist/helper`),
  });
  Deno.exit(status);
}
