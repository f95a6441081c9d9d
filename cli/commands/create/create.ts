/** launch and init: new instances from images, or empty ones. */
import type { Client } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import {
  type Command,
  command,
  type FlagsOf,
  type FlagSpecs,
  TARGET_FLAG,
  UsageError,
  WrongCount,
} from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { attachConsole, checkConsoleType } from "#cli/terminal/console.ts";
import { startHint } from "#cli/commands/state.ts";
import { instanceBody, parseStdin } from "./body.ts";
import { findImage } from "./image.ts";

const FLAGS = {
  config: {
    kind: "list",
    short: "c",
    summary: "Config key/value to apply to the new instance",
  },
  device: { kind: "list", short: "d", summary: "New key/value to apply to a specific device" },
  empty: { kind: "bool", summary: "Create an empty instance" },
  ephemeral: { kind: "bool", short: "e", summary: "Ephemeral instance" },
  network: { kind: "string", short: "n", summary: "Network name" },
  "no-profiles": { kind: "bool", summary: "Create the instance with no profiles applied" },
  profile: { kind: "list", short: "p", summary: "Profile to apply to the new instance" },
  storage: { kind: "string", short: "s", summary: "Storage pool name" },
  ...TARGET_FLAG,
  type: { kind: "string", short: "t", summary: "Instance type" },
  vm: { kind: "bool", summary: "Create a virtual machine" },
} as const satisfies FlagSpecs;

type Flags = FlagsOf<typeof FLAGS>;

const USAGE = "[<remote>:]<image> [<remote>:][<name>]";

export const CREATE_COMMANDS: readonly Command[] = [
  command({
    name: "init",
    lxdName: "create",
    usage: USAGE,
    summary: "Create instances from images",
    examples: [
      { call: "lxc init debian/12 c1", what: "Create a container" },
      { call: "lxc init debian/12 c1 < config.yaml", what: "With configuration from config.yaml" },
      { call: "lxc init --empty c1", what: "Without any files" },
    ],
    flags: FLAGS,
    args: [0, 2],
    async run(context, args, flags) {
      if (args.length === 0 && !flags.empty) throw new WrongCount();
      await create(context, args, flags);
    },
  }),
  command({
    name: "launch",
    usage: USAGE,
    summary: "Create and start instances from images",
    examples: [
      { call: "lxc launch debian/12 c1", what: "Create and start a container" },
      {
        call: "lxc launch debian/12 c1 < config.yaml",
        what: "With configuration from config.yaml",
      },
    ],
    flags: {
      ...FLAGS,
      console: { kind: "optional", bare: "console", summary: "Immediately attach to the console" },
    },
    args: [1, 2],
    async run(context, args, flags) {
      const { client, remote, name } = await create(context, args, flags);
      context.out.say(`Starting ${name}`);
      try {
        await context.operate(client, "PUT", `${path("instances", name)}/state`, {
          json: { action: "start", timeout: -1, force: false, stateful: false },
        });
      } catch (error) {
        throw startHint(error, `${remote}:${name}`);
      }
      if (!flags.console) return;
      checkConsoleType(flags.console);
      await attachConsole(context, client, name, flags.console);
    },
  }),
];

interface Created {
  readonly client: Client;
  readonly remote: string;
  readonly name: string;
}

async function create(
  context: Context,
  args: readonly string[],
  flags: Flags,
): Promise<Created> {
  if (flags.empty && args.length > 1) {
    throw new UsageError("--empty cannot be combined with an image name");
  }
  const [image = "", label = ""] = flags.empty ? ["", ...args] : args;
  const { remote, name: wanted, client: anyMember } = context.resource(label);
  const client = anyMember.onTarget(flags.target);
  if (image !== "") context.remote(context.split(image).remote);
  const given = Deno.stdin.isTerminal() ? {} : parseStdin(context);
  context.out.say(wanted === "" ? "Creating the instance" : `Creating ${wanted}`);
  const body = await instanceBody(client, { name: wanted, flags, given });
  const found = flags.empty
    ? { source: { type: "none" }, type: "" }
    : await findImage(context, { image, remote, client });
  if (flags.vm && found.type !== "" && found.type !== "virtual-machine") {
    throw new Error("Asked for a VM but image is of type container");
  }
  const type = flags.vm ? "virtual-machine" : found.type || "container";
  const { metadata: operation } = await client.send<OperationObject>("POST", "/1.0/instances", {
    json: { ...body, source: found.source, type },
  });
  const done = await context.wait(client, operation, "Retrieving image");
  const name = wanted || nameFrom(done);
  if (wanted === "") context.out.line(`Instance name is: ${name}`);
  await warnWithoutNetwork(context, client, name);
  return { client, remote, name };
}

function nameFrom(operation: OperationObject): string {
  const [url] = operation.resources?.instances ?? operation.resources?.containers ?? [];
  const name = url?.split("?")[0]?.split("/").at(-1);
  if (!name) throw new Error("cannot tell the instance's name: the server did not say it");
  return decodeURIComponent(name);
}

async function warnWithoutNetwork(context: Context, client: Client, name: string): Promise<void> {
  const { expanded_devices: devices } = await client.get<{
    expanded_devices: Record<string, { type?: string }> | null;
  }>(path("instances", name));
  if (Object.values(devices ?? {}).some((device) => device.type === "nic")) return;
  context.out.error(
    "\nThe instance you are starting doesn't have any network attached to it.\n" +
      "  To create a new network, use: lxc network create\n" +
      "  To attach a network to an instance, use: lxc network attach\n",
  );
}
