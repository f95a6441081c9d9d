/**
 * Our lxc and Debian's on one daemon: the same commands, right and wrong ones, the same exit status, output
 * and complaints. With LXD_SWEEP=all every line of commands.txt is tried, else every third.
 */
import assert from "node:assert/strict";
import { type Api, apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { run } from "#tests/world/run.ts";
import { isInstalled } from "../installed.ts";

const hasClient = await isInstalled(DEBIAN.lxc, "lxd-client");
const PARTS = Deno.env.get("LXD_SWEEP") === "all" ? 1 : 3;
const CLIENTS = { ours: OURS.lxc, theirs: DEBIAN.lxc };

async function setUp(daemon: TestDaemon): Promise<void> {
  const lxc = (line: string) => daemon.lxc(line.split(" "));
  await lxc("storage create pool dir");
  await lxc("network create twinbr0 ipv4.address=10.246.1.1/24 ipv6.address=fd42:246::1/64");
  await lxc("profile device add default root disk path=/ pool=pool");
  await lxc("profile device add default eth0 nic network=twinbr0 name=eth0");
  const api = apiOf(daemon);
  const source = { type: "build", alias: "busybox" };
  const { fingerprint } = await api.do("POST", "/1.0/images", {
    source,
    aliases: [{ name: "tiny" }],
  });
  await lxc("launch tiny twc -c user.x=y -c limits.memory=64MiB");
  await lxc("init tiny twc2 -e -d eth0,ipv4.address=10.246.1.50");
  await lxc("snapshot twc one");
  await lxc("snapshot twc two");
  await lxc("profile create p2");
  await lxc("profile set p2 limits.cpu=1");
  await lxc("project create pr -c features.images=false");
  await lxc("storage volume create pool vol size=10MiB");
  await lxc("storage volume snapshot pool vol s0");
  await lxc("network acl create acl1");
  await lxc("network forward create twinbr0 10.246.9.9");
  await lxc("network zone create zone.test");
  await lxc(`image alias create second ${fingerprint}`);
  await lxc("config trust add --name guest");
  await untilAddressed(api);
}

/** What is listed must not change between two clients. */
async function untilAddressed(api: Api): Promise<void> {
  const end = performance.now() + 15_000;
  for (;;) {
    const { network } = await api.get("/1.0/instances/twc/state");
    const addresses: { scope: string }[] = network.eth0.addresses;
    if (addresses.filter(({ scope }) => scope === "global").length === 2) return;
    assert.ok(performance.now() < end, "no addresses");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** What is measured anew for each client, or differs by the folder of its files. */
function comparable(text: string, folder: string): string {
  return text.replaceAll(folder, "CONF")
    .replace(/\d+(\.\d+)?(B|kB|MB|GB|KiB|MiB|GiB)\b/g, "SIZE")
    .replace(/\b\d+(\.\d+)?(%|s)(?=[\s,|]|$)/g, "N")
    .replace(/ +|-{3,}/g, " ");
}

/** Debian's client lists operations by their status, in an order that is another one each time. */
function inOrder(text: string): string {
  const pieces = text.split(/(?=\{"id":|- id:)|\n/);
  return pieces.map((piece) => piece.replace(/[,\]]+$/, "")).toSorted().join("\n");
}

/** The first lines that are not the same. */
function firstDifference(ours: string, theirs: string): string {
  const [left, right] = [ours.split("\n"), theirs.split("\n")];
  const at = left.findIndex((line, index) => line !== right[index]);
  return `ours: ${left[at]}\ntheirs: ${right[at]}`;
}

Deno.test({
  name: "both clients: same status, same output, same complaints",
  ignore: !hasClient,
  async fn() {
    await using daemon = await TestDaemon.start(OURS);
    await setUp(daemon);
    const text = await Deno.readTextFile(new URL("commands.txt", import.meta.url));
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
      .filter((_, index) => index % PARTS === 0);
    const say = async (side: keyof typeof CLIENTS, line: string) => {
      const words = (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ""));
      const env = { ...daemon.env, LXD_CONF: `${daemon.folder}/${side}` };
      const ended = await run([CLIENTS[side], ...words], { env, limitMs: 20_000 });
      const { status, stdout, stderr } = ended;
      const text = comparable(`status ${status}\n${stdout}\n${stderr}`, `${daemon.folder}/${side}`);
      return line.startsWith("operation list") ? inOrder(text) : text;
    };
    for (const side of ["ours", "theirs"] as const) {
      await Deno.mkdir(`${daemon.folder}/${side}`);
      await say(side, "list"); // Debian's says hello the first time.
    }

    const differing: unknown[] = [];
    for (const line of lines) {
      const [ours, theirs] = [await say("ours", line), await say("theirs", line)];
      if (ours !== theirs) differing.push(`${line}\n${firstDifference(ours, theirs)}`);
    }

    assert.ok(lines.length > 100);
    assert.deepEqual(differing, []);
  },
});
