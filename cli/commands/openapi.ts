/** lxd openapi: the API of this version as an OpenAPI document. */
import { type Command, command } from "#cli/command.ts";

export const OPENAPI_COMMANDS: readonly Command[] = [
  command({
    name: "openapi",
    only: "lxd",
    uncommon: true,
    usage: "",
    summary: "Print the API as an OpenAPI document",
    args: [0, 0],
    async run(context) {
      context.out.text((await context.program.loadDaemon()).openapi());
    },
  }),
];
