/** Lifecycle events of an instance's days, on our daemon and on Debian's LXD 5.0.2: the same, in order. */
import assert from "node:assert/strict";
import { DEBIAN } from "#tests/world/daemon.ts";
import { EventStream } from "#tests/world/events.ts";
import { type Pair, type Request, type Side, SIDES, Twins } from "./twins.ts";
import { isInstalled } from "../installed.ts";

const NAME = "days";
const AT = `/1.0/instances/${NAME}`;
const request = (method: string, path: string, body?: unknown): Request => ({ method, path, body });
const copy = (source: string, name: string) =>
  request("POST", "/1.0/instances", {
    ...{ name, profiles: ["default"], source: { type: "copy", source } },
  });
const settings = (more: object) => request("PATCH", AT, { config: { "user.a": "b" }, ...more });

const DAYS: readonly Request[] = [
  copy("c", NAME),
  settings({}),
  settings({ devices: { d: { type: "none" } } }),
  request("GET", `${AT}/metadata`),
  request("PUT", `${AT}/metadata`, { architecture: "x86_64", creation_date: 1, templates: {} }),
  request("POST", `${AT}/metadata/templates?path=t.tpl`, {}),
  request("GET", `${AT}/metadata/templates?path=t.tpl`),
  request("DELETE", `${AT}/metadata/templates?path=t.tpl`),
  request("POST", `${AT}/files?path=/root-of-it`, "content"),
  request("GET", `${AT}/files?path=/root-of-it`),
  request("DELETE", `${AT}/files?path=/root-of-it`),
  request("POST", `${AT}/snapshots`, { name: "s0" }),

  request("POST", `${AT}/snapshots/s0`, { name: "s1" }),
  request("PUT", AT, { restore: "s1" }),
  request("POST", `${AT}/backups`, { name: "b0", compression_algorithm: "none" }),
  request("POST", `${AT}/backups/b0`, { name: "b1" }),
  request("GET", `${AT}/backups/b1/export`),
  request("DELETE", `${AT}/backups/b1`),
  copy(NAME, "other"),
  request("POST", "/1.0/instances/other", { name: "another" }),
  request("DELETE", "/1.0/instances/another/snapshots/s1"),
  request("DELETE", "/1.0/instances/another"),
  request("DELETE", AT),
];

async function tell(twins: Twins): Promise<Pair<string[]>> {
  const open = (side: Side) => EventStream.open(twins.apis[side].socketPath, "?type=lifecycle");
  using ours = await open("ours");
  using theirs = await open("LXD");
  for (const one of DAYS) {
    const pair = await twins.ask(one);
    for (const side of SIDES) assert.ok(pair[side].status < 400, `${side}: ${pair[side].error}`);
  }
  // The last of all.
  const isLast = ({ metadata }: { metadata: { action: string; source: string } }) =>
    metadata.action === "instance-deleted" && metadata.source === AT;
  await Promise.all([ours.find(isLast), theirs.find(isLast)]);
  return { ours: lines(ours), LXD: lines(theirs) };
}

const lines = ({ frames }: EventStream): string[] =>
  frames.map(({ metadata: { action, source, context } }) => {
    const sorted = Object.entries(context ?? {}).toSorted(([a], [b]) => a < b ? -1 : 1);
    return `${action} ${source} ${JSON.stringify(sorted)}`;
  });

Deno.test({
  name: "events: an instance's days are told alike",
  ignore: !await isInstalled(DEBIAN.lxd, "lxd"),
  async fn() {
    await using twins = await Twins.start();

    const { ours, LXD } = await tell(twins);

    assert.deepEqual(ours, LXD);
  },
});
