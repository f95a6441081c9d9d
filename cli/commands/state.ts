/** start, stop, restart, pause, resume: changes of the running state. */
import type { Client } from "#api/client.ts";
import { type Command, command, type FlagSpecs, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { attachConsole, checkConsoleType } from "#cli/terminal/console.ts";

const ALL = { all: { kind: "bool", summary: "Run against all instances" } } as const;
const CONSOLE = {
  console: {
    kind: "optional",
    bare: "console",
    summary: "Immediately attach to the console",
  },
} as const;
const STOPPING = {
  force: { kind: "bool", short: "f", summary: "Force the instance to stop" },
  timeout: {
    kind: "int",
    default: -1,
    summary: "Time to wait for the instance to shutdown cleanly",
  },
} as const satisfies FlagSpecs;

const INSTANCES = "[<remote>:]<instance> [[<remote>:]<instance>...]";

export const STATE_COMMANDS: readonly Command[] = [
  command({
    name: "start",
    usage: INSTANCES,
    summary: "Start instances",
    flags: {
      ...ALL,
      ...CONSOLE,
      stateless: { kind: "bool", summary: "Ignore the instance state" },
    },
    args: [1, Infinity],
    run: (context, names, flags) =>
      changeState(context, names, {
        action: "start",
        all: flags.all,
        console: flags.console,
        stateful: !flags.stateless,
        timeout: -1,
      }),
  }),
  command({
    name: "stop",
    usage: INSTANCES,
    summary: "Stop instances",
    flags: {
      ...ALL,
      ...CONSOLE,
      ...STOPPING,
      stateful: { kind: "bool", summary: "Store the instance state" },
    },
    args: [1, Infinity],
    run: (context, names, flags) => changeState(context, names, { action: "stop", ...flags }),
  }),
  command({
    name: "restart",
    usage: INSTANCES,
    summary: "Restart instances",
    flags: { ...ALL, ...CONSOLE, ...STOPPING },
    args: [1, Infinity],
    run: (context, names, flags) => changeState(context, names, { action: "restart", ...flags }),
  }),
  command({
    name: "pause",
    usage: INSTANCES,
    summary: "Pause instances",
    description: 'Their processes stand still until "start" or "resume".',
    uncommon: true,
    flags: ALL,
    args: [1, Infinity],
    run: (context, names, flags) => changeState(context, names, { action: "freeze", ...flags }),
  }),
  command({
    name: "resume",
    usage: INSTANCES,
    summary: "Let paused instances go on",
    aliases: ["unpause"],
    uncommon: true,
    flags: ALL,
    args: [1, Infinity],
    run: (context, names, flags) => changeState(context, names, { action: "unfreeze", ...flags }),
  }),
];

interface Change {
  readonly action: "start" | "stop" | "restart" | "freeze" | "unfreeze";
  readonly all?: boolean;
  readonly console?: string;
  readonly force?: boolean;
  readonly stateful?: boolean;
  readonly timeout?: number;
}

interface Target {
  readonly client: Client;
  readonly remote: string;
  readonly name: string;
  readonly label: string;
  readonly state: string;
}

async function changeState(
  context: Context,
  names: readonly string[],
  change: Change,
): Promise<number> {
  if (change.console) {
    if (change.all) throw new UsageError("--console can't be used with --all");
    checkConsoleType(change.console);
  }
  if (change.all && names.some((label) => !label.endsWith(":"))) {
    throw new UsageError("Both --all and instance name given");
  }
  const targets = change.all
    ? await everyInstance(context, names, change.action)
    : names.map((label) => ({ ...context.resource(label), label, state: "" }));
  if (change.console && targets.length > 1) {
    throw new UsageError("--console only works with a single instance");
  }
  if (targets.length === 1 && targets[0] !== undefined) {
    await changeOne(context, targets[0], change);
    return 0;
  }
  const failed: string[] = [];
  await Promise.all(targets.map((target) =>
    changeOne(context, target, change).catch((error) => {
      failed.push(target.label);
      const reason = error instanceof Error ? error.message : error;
      context.out.error(`${target.label}: error: ${reason}`);
    })
  ));
  if (failed.length === 0) return 0;
  context.out.error("");
  throw new Error(`Some instances failed to ${VERB[change.action]}`);
}

const VERB = {
  start: "start",
  stop: "stop",
  restart: "restart",
  freeze: "pause",
  unfreeze: "resume",
} as const;

async function everyInstance(
  context: Context,
  remotes: readonly string[],
  action: Change["action"],
): Promise<Target[]> {
  const targets: Target[] = [];
  const wanted = remotes.length === 0 ? [context.config.defaultRemote] : remotes;
  for (const text of wanted) {
    const remote = text.replace(/:$/, "");
    const client = context.client(remote);
    const instances = await client.get<{ name: string; status: string }[]>("/1.0/instances", {
      query: { recursion: 1 },
    });
    for (const { name, status } of instances) {
      const running = status === "Running" || status === "Frozen";
      const fits = action === "start" ? status !== "Running" : running;
      if (fits) targets.push({ client, remote, name, label: `${remote}:${name}`, state: status });
    }
  }
  return targets;
}

async function changeOne(context: Context, target: Target, change: Change): Promise<void> {
  const { client, name } = target;
  let { action, stateful } = change;
  const url = path("instances", name);
  if (action === "start") {
    const instance = await client.get<{ status: string; stateful: boolean }>(url);
    if (instance.status === "Frozen") action = "unfreeze";
    stateful = stateful && instance.stateful;
  }
  const request = () =>
    context.operate(client, "PUT", `${url}/state`, {
      json: {
        action,
        timeout: change.timeout ?? -1,
        force: change.force ?? false,
        stateful: stateful ?? false,
      },
    });
  try {
    if (change.console && action === "stop") {
      await Promise.all([attachConsole(context, client, name), request()]);
    } else await request();
  } catch (error) {
    throw startHint(error, target.label);
  }
  if (change.console && action !== "stop") await attachConsole(context, client, name);
}

/** The log usually says more about a container that doesn't start or stop. */
export function startHint(error: unknown, label: string): unknown {
  if (!(error instanceof Error) || !("status" in error) || error.status !== 400) return error;
  if (/is already|isn't running|not running/.test(error.message)) return error;
  return new Error(`${error.message}\nTry \`lxc info --show-log ${label}\` for more info`, {
    cause: error,
  });
}
