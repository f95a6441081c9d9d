/** Two daemons of ours, and a client that knows both as the remotes "one" and "other". */
import { type InstanceDaemon, startInstanceDaemon } from "./instances.ts";
import type { Ended } from "./run.ts";

export interface TwoDaemons extends AsyncDisposable {
  readonly one: InstanceDaemon;
  readonly other: InstanceDaemon;
  lxc(...args: string[]): Promise<string>;
  /** For calls that may fail. */
  try(...args: string[]): Promise<Ended>;
  /** For calls that are to be interrupted. */
  spawn(...args: string[]): Deno.ChildProcess;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * @param subnets Third bytes of the IPv4 networks of their bridges.
 * @param options.prepareOther The state directory of the other one.
 */
export async function startTwoDaemons(
  subnets: readonly [number, number],
  options: { readonly prepareOther?: (directory: string) => Promise<void> } = {},
): Promise<TwoDaemons> {
  const { prepareOther } = options;
  const [one, other] = await Promise.all([
    startInstanceDaemon({ subnet: subnets[0] }),
    startInstanceDaemon({
      subnet: subnets[1],
      ...prepareOther !== undefined && { prepare: prepareOther },
    }),
  ]);
  const { daemon } = one;
  const remote = (world: InstanceDaemon) => `unix:${world.daemon.directory}/unix.socket`;
  const lines = [
    "default-remote: one",
    "remotes:",
    `  one: {addr: "${remote(one)}", public: false}`,
    `  other: {addr: "${remote(other)}", public: false}`,
    "aliases: {}",
  ];
  await Deno.writeTextFile(`${daemon.folder}/conf/config.yml`, lines.join("\n") + "\n");
  return {
    one,
    other,
    lxc: (...args) => daemon.lxc(args),
    try: (...args) => daemon.try(args),
    spawn: (...args) =>
      new Deno.Command(daemon.options.lxc, {
        args,
        env: daemon.env,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn(),
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}
