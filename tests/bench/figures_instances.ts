/** Figures about running instances: many of them, their memory, exec, files, live limits. */
import { type Group, pipe, RATE_MS, until } from "./figure.ts";
import { hostSideKb, requestRate, timed } from "./measure.ts";
import type { Side } from "./side.ts";

const RUNNING = 50;
const TREE_FILES = 5000;
const TTY_BYTES = 64 * 1024 ** 2;
const LIMIT_MS = 5000;

const names = Array.from({ length: RUNNING }, (_, index) => `busy${index}`);

const FIFTY: Group = {
  prepare: async (side) => {
    for (const name of names) await side.lxc("launch", "busybox", name);
  },
  figures: [
    // First: requests at full speed leave garbage that V8 takes its time to collect.
    {
      name: `daemon, monitors and helpers, ${RUNNING} running (PSS)`,
      unit: "kB",
      better: "less",
      target: { ratio: 1 / 5 },
      measure: async ({ daemon }) => [await hostSideKb(daemon.pid)],
    },
    {
      name: `list, ${RUNNING} running`,
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 2 },
      measure: (side) => timed({ times: 9 }, () => side.lxc("list")),
    },
    {
      name: `GET /1.0/instances?recursion=2, ${RUNNING} running`,
      unit: "1/s",
      better: "more",
      target: { ratio: 20 },
      measure: async ({ daemon }) => {
        const socket = `${daemon.directory}/unix.socket`;
        return [await requestRate(socket, "/1.0/instances?recursion=2", RATE_MS)];
      },
    },
    {
      name: `${RUNNING} concurrent exec true by the API`,
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 2 },
      measure: (side) =>
        timed({ times: 5 }, () => Promise.all(names.map(() => execTrue(side, "busy0")))),
    },
  ],
  cleanUp: (side) => side.remove(...names),
};

async function execTrue({ api }: Side, name: string): Promise<void> {
  const body = { command: ["true"], "wait-for-websocket": false, interactive: false };
  await api.do("POST", `/1.0/instances/${name}/exec`, body);
}

/** The kernel's file with the limit of memory. */
async function limitFile({ api }: Side): Promise<string> {
  const { pid } = await api.get("/1.0/instances/bench/state");
  const lines = await Deno.readTextFile(`/proc/${pid}/cgroup`);
  const memory = /^\d+:memory:(.*)$/m.exec(lines)?.[1];
  return memory === undefined
    ? `/sys/fs/cgroup${/^0::(.*)$/m.exec(lines)?.[1]}/memory.max`
    : `/sys/fs/cgroup/memory${memory}/memory.limit_in_bytes`;
}

/** Until the kernel's file has the limit: a request may be answered before. */
async function limitMemory({ api }: Side, path: string, index: number): Promise<void> {
  const bytes = (200 + index) * 1024 ** 2;
  const has = () => Deno.readTextFileSync(path).trim() === String(bytes);
  const body = { config: { "limits.memory": String(bytes) } };
  const changed = api.do("PATCH", "/1.0/instances/bench", body);
  await until(LIMIT_MS, () => Promise.resolve(has()), 0);
  await changed;
}

const ONE: Group = {
  prepare: (side) => side.lxc("launch", "busybox", "bench"),
  figures: [
    {
      name: "live limits.memory until it is in the cgroup",
      unit: "ms",
      better: "less",
      target: { limit: 20 },
      measure: async (side) => {
        const path = await limitFile(side);
        return await timed({ times: 11 }, (index) => limitMemory(side, path, index));
      },
    },
    {
      name: "exec, 64 MiB of output on a terminal",
      unit: "MB/s",
      better: "more",
      target: { ratio: 2 },
      measure: pipe(
        // No terminal between the client and us, which would be measured too; an input that does not end.
        `fifo=$(mktemp -u) && mkfifo "$fifo" && ` +
          `$LXC exec -t bench -- head -c ${TTY_BYTES} /dev/zero <>"$fifo" | cat >/dev/null; rm "$fifo"`,
        TTY_BYTES,
      ),
    },
    {
      name: `file push of a tree of ${TREE_FILES} files`,
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 3 },
      measure: async (side) => {
        const folder = await makeTree();
        const push = () => side.lxc("file", "push", "-r", folder, "bench/root");
        const samples = await timed({ times: 1 }, push);
        await Deno.remove(folder, { recursive: true });
        return samples;
      },
    },
    {
      name: `file pull of a tree of ${TREE_FILES} files`,
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 3 },
      measure: async (side) => {
        const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-bench." });
        const pull = () => side.lxc("file", "pull", "-r", "bench/root", folder);
        const samples = await timed({ times: 1 }, pull);
        await Deno.remove(folder, { recursive: true });
        return samples;
      },
    },
  ],
  cleanUp: (side) => side.remove("bench"),
};

async function makeTree(): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-bench." });
  for (let index = 0; index < TREE_FILES; index++) {
    const directory = `${folder}/d${index % 50}`;
    if (index < 50) await Deno.mkdir(directory);
    await Deno.writeTextFile(`${directory}/f${index}`, "x".repeat(index % 2000));
  }
  return folder;
}

export const INSTANCE_GROUPS: readonly Group[] = [FIFTY, ONE];
