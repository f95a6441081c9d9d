/** The whole client: every command, and a real YAML parser. */
import { parseYaml } from "#api/yaml.ts";
import type { Program } from "#base/program.ts";
import { main as runClient } from "./main.ts";
import { COMMANDS } from "./registry.ts";
import { remoteTransport } from "./remote_transport.ts";

/** @returns the exit status. */
export function main(program: Program): Promise<number> {
  return runClient(program, {
    commands: COMMANDS,
    remoteTransport,
    parseYaml,
    // People and scripts append to config.yml what is in it already.
    readYaml: (text) => parseYaml(text, { repeats: "last wins" }),
  });
}
