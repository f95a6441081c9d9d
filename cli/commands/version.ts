/** version: of this program, and of the server it talks to. */
import { LXD_COMPAT_VERSION } from "#base/version.ts";
import { type Command, command } from "#cli/command.ts";

export const VERSION_COMMANDS: readonly Command[] = [
  command({
    name: "version",
    only: "lxd",
    usage: "",
    summary: "Show the server version",
    args: [0, 0],
    run: (context) => Promise.resolve(context.out.line(LXD_COMPAT_VERSION)),
  }),
  command({
    name: "version",
    only: "lxc",
    usage: "[<remote>:]",
    summary: "Show local and remote versions",
    args: [0, 1],
    async run(context, [remote = ""]) {
      context.out.line(`Client version: ${LXD_COMPAT_VERSION}`);
      let server = "unreachable";
      try {
        const { client } = context.resource(remote);
        const { environment } = await client.get<{ environment: { server_version: string } }>(
          "/1.0",
        );
        server = environment.server_version;
      } catch {
        // Ignored: said in the line.
      }
      context.out.line(`Server version: ${server}`);
    },
  }),
];
