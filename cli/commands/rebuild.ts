/** rebuild: an instance with a new root. */
import { command, UsageError } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { findImage } from "./create/image.ts";

export const REBUILD = command({
  name: "rebuild",
  usage: "[[<remote>:]<image>] [<remote>:]<instance>",
  summary: "Rebuild instances",
  description:
    `The root is made anew, of an image or with --empty: configuration, devices, addresses and
custom volumes stay. The instance must be stopped (or --force stops and starts it) and
have no snapshots.`,
  uncommon: true,
  flags: {
    empty: { kind: "bool", summary: "Rebuild as an empty instance" },
    force: { kind: "bool", short: "f", summary: "If it is running, stop it and start it again" },
  },
  args: [1, 2],
  async run(context, args, { empty, force }) {
    const [label = "", image] = args.toReversed();
    if (empty && image !== undefined) {
      throw new UsageError("--empty cannot be combined with an image name");
    }
    if (!empty && image === undefined) {
      throw new UsageError("Name an image, or use --empty");
    }
    const { client, remote, name } = context.resource(label);
    const source = image === undefined
      ? { type: "none" }
      : (await findImage(context, { image, remote, client })).source;
    const url = path("instances", name);
    const setState = (action: "start" | "stop") =>
      context.operate(client, "PUT", `${url}/state`, {
        json: { action, force: action === "stop", timeout: -1 },
      });
    const { status } = await client.get<{ status: string }>(url);
    const isStopped = force && status !== "Stopped";
    if (isStopped) await setState("stop");
    await context.operate(client, "POST", `${url}/rebuild`, {
      title: `Rebuilding ${name}`,
      json: { source },
    });
    if (isStopped) await setState("start");
  },
});
