/** Programs in containers that listen for devices hear of those that the container has, and of no other. */
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { findDisk, type HostDisk } from "./host_disk.ts";
import { launch, pidOf } from "./instance_actions.ts";
import { newWorld } from "./instance_world.ts";

const disk = await findDisk();
const NEEDED = 2;
const LIMIT_MS = 20_000;

/**
 * What busybox's uevent prints of each event: a line for each variable, and an empty one.
 *
 * @param word Enough is heard when two of them have it.
 */
async function listen(pid: number, word: string, change: () => Promise<void>): Promise<string[]> {
  const child = new Deno.Command("nsenter", {
    args: ["-t", `${pid}`, "-n", "busybox", "uevent"],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn();
  const timer = setInterval(change, 200);
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split(word).length > NEEDED) break;
  }
  clearInterval(timer);
  try {
    child.kill("SIGKILL");
  } catch {
    // Ignored: the time limit has ended it.
  }
  await child.status;
  // The last may be half there.
  return text.trim().split("\n\n").slice(0, -1).map((event) => event.trim());
}

async function changeTold({ node }: HostDisk, word: string): Promise<void> {
  await must([
    "sh",
    "-c",
    `echo change ${word} >"$1"`,
    "-",
    `/sys/class/block/${node.slice(5)}/uevent`,
  ]);
}

const testTold = (isPrivileged: boolean) => async () => {
  const mine = disk as HostDisk;
  await using world = await newWorld();
  const devices = { disk: { type: "unix-hotplug", vendorid: mine.vendorid } };
  const config = { "security.privileged": `${isPrivileged}` };
  const instance = await launch(world, "c1", { devices, config });
  const word = crypto.randomUUID();

  const told = await listen(pidOf(world, instance), word, async () => {
    await must(["sh", "-c", "echo change >/sys/class/mem/zero/uevent"]);
    await changeTold(mine, `${word} N=1`);
  });

  const own = told.filter((event) => event.includes(`DEVNAME=${mine.node.slice(5)}\n`));
  const [first = ""] = own.filter((event) => event.includes(`SYNTH_UUID=${word}\n`));
  assert.match(
    first,
    /^change@\/devices\/.*\nACTION=change\nDEVPATH=\/devices\/.*\nSUBSYSTEM=block\n/,
  );
  const numbers = told.map((event) => /^SEQNUM=(\d+)$/m.exec(event)?.[1]);
  assert.deepEqual(numbers, [...new Set(numbers)], "each is told once");
  // The kernel itself tells a privileged one of everything.
  if (!isPrivileged) assert.deepEqual(own, told);
  assert.deepEqual(world.failures, []);
};

const ignore = disk === undefined;
Deno.test({ name: "uevent: a container hears of its devices alone", ignore, fn: testTold(false) });
Deno.test({ name: "uevent: a privileged one hears the kernel", ignore, fn: testTold(true) });
