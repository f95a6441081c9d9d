/** console: attach to an instance's console, or read what it said. */
import { type Command, command } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { attachConsole, checkConsoleType } from "#cli/terminal/console.ts";

export const CONSOLE_COMMANDS: readonly Command[] = [
  command({
    name: "console",
    usage: "[<remote>:]<instance>",
    summary: "Attach to instance consoles",
    description: "This command allows you to interact with the boot console of an instance\n" +
      "as well as retrieve past log entries from it.",
    flags: {
      "show-log": { kind: "bool", summary: "Retrieve the instance's console log" },
      type: {
        kind: "string",
        short: "t",
        default: "console",
        summary: "Type of connection to establish: 'console' for serial console",
      },
    },
    args: [1, 1],
    async run(context, [label = ""], { "show-log": showLog, type }) {
      checkConsoleType(type);
      const { client, name } = context.resource(label);
      if (!showLog) return await attachConsole(context, client, name, type);
      const reply = await client.download(`${path("instances", name)}/console`);
      context.out.line(`\nConsole log:\n\n${await reply.text()}`);
    },
  }),
];
