/** netcat: standard input and output connected to a unix socket; rsync starts it for migrations. */
import { type Command, command } from "#cli/command.ts";

export const NETCAT_COMMANDS: readonly Command[] = [
  command({
    name: "netcat",
    only: "lxd",
    uncommon: true,
    usage: "<socket>",
    summary: "Send stdin data to a unix socket",
    args: [1, 1],
    async run(_context, [path = ""]) {
      using connection = await Deno.connect({ transport: "unix", path });

      const out = connection.readable.pipeTo(Deno.stdout.writable);
      const into = Deno.stdin.readable.pipeTo(connection.writable, { preventClose: true })
        .then(() => connection.closeWrite());
      // Whoever listens there has the last word.
      await Promise.race([out, into.then(() => out)]);
    },
  }),
];
