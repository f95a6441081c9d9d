/** file mount: the files of an instance as a folder here (sshfs), or for any SFTP client. */
import type { Upgraded } from "#api/transport.ts";
import type { RawStream } from "#base/program.ts";
import { command, UsageError } from "#cli/command.ts";
import { type Context, path as url } from "#cli/context.ts";
import { cleanPath } from "./paths.ts";

export const FILE_MOUNT = command({
  name: "file mount",
  usage: "[<remote>:]<instance>[/<path>] [<target path>]",
  summary: "Mount files from instances",
  description:
    "Mount files from instances.\n\nWithout a target path, an SSH SFTP listener is set " +
    "up that any client of SFTP can use.",
  examples: [
    {
      call: "lxc file mount foo/root fooroot",
      what: "To mount /root from the instance foo onto the local fooroot directory, with sshfs.",
    },
    { call: "lxc file mount foo --listen 127.0.0.1:2022", what: "To serve it for SFTP clients." },
  ],
  flags: {
    "auth-user": {
      kind: "string",
      summary: "Set authentication user when using SSH SFTP listener",
    },
    listen: {
      kind: "string",
      summary: "Setup SSH SFTP listener on address:port instead of mounting",
    },
    "no-auth": {
      kind: "bool",
      summary: "Disable authentication when using SSH SFTP listener",
    },
  },
  args: [1, 2],
  async run(context, [source = "", target], flags) {
    const slash = source.indexOf("/");
    const label = slash < 0 ? source : source.slice(0, slash);
    const path = slash < 0 ? "/" : cleanPath(source.slice(slash));
    if (target !== undefined && flags.listen !== "") {
      throw new UsageError("Target path and --listen flag cannot be used together");
    }
    if (target === undefined && slash >= 0) {
      throw new UsageError("Instance path cannot be used in SSH SFTP listener mode");
    }
    const { client, name } = context.resource(label);
    const open = async () =>
      rawStream(await client.upgrade(url("instances", name, "sftp"), "sftp"));
    if (target !== undefined) return await mountHere(context, { name, path, target, open });
    await client.get(url("instances", name)); // Who connects later could not be told that there is none.
    const part = await context.program.loadDaemon();
    await part.sshServe({
      address: flags.listen || "127.0.0.1:0",
      ...!flags["no-auth"] && {
        login: { user: flags["auth-user"] || randomName(), password: randomName() },
      },
      open,
      say: (text) => context.out.line(text),
      log: (text) => context.out.error(text),
    });
  },
});

function randomName(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) =>
    byte.toString(16).padStart(2, "0")
  ).join("");
}

function rawStream({ duplex, reader }: Upgraded): RawStream {
  const BYTES_MAX = 256 * 1024;
  return {
    read: () => reader.some(BYTES_MAX),
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await duplex.write(bytes.subarray(at));
    },
    close: () => duplex.close(),
  };
}

interface Mount {
  readonly name: string;
  readonly path: string;
  readonly target: string;
  readonly open: () => Promise<RawStream>;
}

const ENDING = ["SIGINT", "SIGTERM"] as const;

/** sshfs speaks SFTP over its standard streams. Ends when it is unmounted, or with ctrl+c. */
async function mountHere(context: Context, { name, path, target, open }: Mount): Promise<number> {
  const stream = await open();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("sshfs", {
      args: ["-o", "slave", `${name}:${path}`, target],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
  } catch (error) {
    stream.close();
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("sshfs not found. Try SSH SFTP mode using the --listen flag");
  }
  // It unmounts, and its end is ours. ctrl+c reaches sshfs as well, a signal to us alone does not.
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // Ignored: it has ended already.
    }
  };
  for (const signal of ENDING) Deno.addSignalListener(signal, end);
  context.out.line(`sshfs mounting "${name}${path}" on "${target}"`);
  context.out.line("Press ctrl+c to finish");
  const fromHere = (async () => {
    for await (const bytes of child.stdout) await stream.write(bytes);
  })();
  const toHere = (async () => {
    const writer = child.stdin.getWriter();
    for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
      await writer.write(bytes.slice());
    }
    await writer.close();
  })();
  for (const copying of [fromHere, toHere]) copying.catch(() => {}); // Ignored: sshfs ends then.
  const { code } = await child.status;
  stream.close();
  for (const signal of ENDING) Deno.removeSignalListener(signal, end);
  context.out.line("sshfs has stopped");
  return code;
}
