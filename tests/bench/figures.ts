/** What is measured: the table "figures to reach", in groups that share their preparation. */
import { must } from "#tests/world/run.ts";
import { monitorsOf, proportionalKb, requestRate, residentKb, timed } from "./measure.ts";
import type { Side } from "./side.ts";

export interface Target {
  /** Ours divided by LXD's: at most, where less is better; at least, where more is. */
  readonly ratio?: number;
  /** Ours, in the figure's unit. */
  readonly limit?: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "MB/s" | "kB" | "1/s";
  readonly better: "less" | "more";
  readonly target: Target;
  /** @returns Samples, or undefined when the side has no such figure. */
  readonly measure: (side: Side) => Promise<readonly number[] | undefined>;
}

export interface Group {
  readonly prepare?: (side: Side) => Promise<unknown>;
  readonly figures: readonly Figure[];
  readonly cleanUp?: (side: Side) => Promise<unknown>;
}

const GIB = 1024 ** 3;
const CREATED = 100;
const RUNNING = 10;
const RATE_MS = 4000;
const UP_MS = 60_000;
const PAUSE_MS = 10;

/** LXD copies the Debian image at each launch, which takes seconds: fewer samples say enough. */
const slow = (side: Side) => side.name === "LXD" ? 3 : 7;

async function until(limitMs: number, met: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + limitMs;
  while (!await met()) {
    if (performance.now() > end) throw new Error("it did not come up");
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function systemdRuns(side: Side, name: string): Promise<boolean> {
  const { stdout } = await side.daemon.try([
    ...["exec", name, "--", "systemctl", "is-system-running", "--wait"],
  ]);
  return /running|degraded/.test(stdout);
}

async function hasAddress(side: Side, name: string): Promise<boolean> {
  return (await side.lxc("list", name, "-f", "csv", "-c", "4")).includes("eth0");
}

function launch(image: string, times: (side: Side) => number) {
  return (side: Side) =>
    timed(
      { times: times(side), after: (index) => side.remove(`bench${index}`) },
      (index) => side.lxc("launch", image, `bench${index}`),
    );
}

function launchUntil(met: (side: Side, name: string) => Promise<boolean>) {
  return (side: Side) =>
    timed({ times: 3, after: (index) => side.remove(`bench${index}`) }, async (index) => {
      await side.lxc("launch", "debian", `bench${index}`);
      await until(UP_MS, () => met(side, `bench${index}`));
    });
}

function pipe(script: string) {
  return async (side: Side) =>
    (await timed({ times: 3 }, () => side.shell(script))).map((ms) => GIB / 1e6 / (ms / 1000));
}

const LAUNCHES: Group = {
  // The first launch of an image may unpack it: these are about cached images.
  prepare: async (side) => {
    for (const image of ["debian", "busybox"]) {
      await side.lxc("launch", image, "warm");
      await side.remove("warm");
    }
  },
  figures: [
    {
      name: "launch Debian, cached image, dir pool",
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 20, limit: 150 },
      measure: launch("debian", slow),
    },
    {
      name: "launch busybox, dir pool",
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 4 },
      measure: launch("busybox", () => 9),
    },
    {
      name: "launch Debian until systemd is running",
      unit: "ms",
      better: "less",
      target: { limit: 1000 },
      measure: launchUntil(systemdRuns),
    },
    {
      name: "launch Debian until list shows its address",
      unit: "ms",
      better: "less",
      target: { limit: 2500 },
      measure: launchUntil(hasAddress),
    },
  ],
};

const EXEC: Group = {
  prepare: (side) => side.lxc("launch", "busybox", "bench"),
  figures: [
    {
      name: "exec c -- true",
      unit: "ms",
      better: "less",
      target: { ratio: 1 },
      measure: (side) => timed({ times: 21 }, () => side.lxc("exec", "bench", "--", "true")),
    },
    {
      name: "exec, 1 GiB of output",
      unit: "MB/s",
      better: "more",
      target: { ratio: 1 },
      measure: pipe(`"$LXC" exec bench -- head -c ${GIB} /dev/zero | cat >/dev/null`),
    },
    {
      name: "exec, 1 GiB of input",
      unit: "MB/s",
      better: "more",
      target: { ratio: 1 },
      measure: pipe(`head -c ${GIB} /dev/zero | "$LXC" exec bench -- sh -c "cat >/dev/null"`),
    },
  ],
  cleanUp: (side) => side.remove("bench"),
};

const crowd = (count: number) => Array.from({ length: count }, (_, index) => `crowd${index}`);

const CROWD: Group = {
  prepare: async (side) => {
    for (const name of crowd(CREATED)) await side.lxc("init", "busybox", name);
    for (const name of crowd(RUNNING)) await side.lxc("start", name);
  },
  figures: [
    {
      name: `list, ${CREATED} created, ${RUNNING} running`,
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 2 },
      measure: (side) => timed({ times: 9 }, () => side.lxc("list")),
    },
    {
      name: "GET /1.0/instances?recursion=2 of them",
      unit: "1/s",
      better: "more",
      target: { ratio: 10 },
      measure: async ({ daemon }) => {
        const socket = `${daemon.directory}/unix.socket`;
        return [await requestRate(socket, "/1.0/instances?recursion=2", RATE_MS)];
      },
    },
    {
      name: "memory of a container's monitor (PSS)",
      unit: "kB",
      better: "less",
      target: { ratio: 1 / 20 },
      measure: async ({ daemon }) =>
        await Promise.all((await monitorsOf(daemon.directory)).map(proportionalKb)),
    },
  ],
  cleanUp: (side) => side.remove(...crowd(CREATED)),
};

/** @param launches How many instances the daemon makes and forgets before its memory is read. */
function memory(launches: number): Group {
  return {
    figures: [
      {
        name: `daemon after ${launches} launches and deletes (RSS)`,
        unit: "kB",
        better: "less",
        target: {},
        measure: async (side) => {
          // LXD would need minutes for what is published of ours alone.
          if (side.name === "LXD") return undefined;
          for (let index = 0; index < launches; index++) {
            await side.lxc("launch", "busybox", "soak");
            await side.remove("soak");
          }
          return [await residentKb(side.daemon.pid)];
        },
      },
    ],
  };
}

const IDLE: Group = {
  figures: [
    {
      name: "client --version",
      unit: "ms",
      better: "less",
      target: { limit: 40 },
      measure: (side) => timed({ times: 21 }, () => must([side.daemon.options.lxc, "--version"])),
    },
    {
      name: "daemon, idle (RSS)",
      unit: "kB",
      better: "less",
      target: {},
      measure: async ({ daemon }) => [await residentKb(daemon.pid)],
    },
  ],
};

export function allGroups(launches: number): readonly Group[] {
  return [IDLE, LAUNCHES, EXEC, CROWD, memory(launches)];
}
