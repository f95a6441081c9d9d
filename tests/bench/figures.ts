/** What is measured: the table "figures to reach", in groups that share their preparation. */
import { must } from "#tests/world/run.ts";
import { INSTANCE_GROUPS } from "./figures_instances.ts";
import { STORAGE_GROUPS } from "./figures_storage.ts";
import { GIB, type Group, pipe, RATE_MS, slow, until } from "./figure.ts";
import { monitorsOf, proportionalKb, requestRate, residentKb, timed } from "./measure.ts";
import type { Side } from "./side.ts";

const CREATED = 100;
const RUNNING = 10;
const UP_MS = 60_000;

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
      target: { ratio: 2 },
      measure: pipe(`"$LXC" exec bench -- head -c ${GIB} /dev/zero | cat >/dev/null`),
    },
    {
      name: "exec, 1 GiB of input",
      unit: "MB/s",
      better: "more",
      target: { ratio: 2 },
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
  const soak = async ({ api }: Side, count: number) => {
    for (let index = 0; index < count; index++) {
      const source = { type: "image", alias: "busybox" };
      await api.do("POST", "/1.0/instances", { name: "soak", source, start: true });
      await api.do("PUT", "/1.0/instances/soak/state", { action: "stop", force: true });
      await api.do("DELETE", "/1.0/instances/soak");
    }
  };
  // LXD would need minutes for what is published of ours alone.
  const ours = (measure: (side: Side) => Promise<number>) => async (side: Side) =>
    side.name === "LXD" ? undefined : [await measure(side)];
  const early = Math.ceil(launches / 4);
  let before = 0;
  return {
    figures: [
      {
        name: `daemon after ${early} launches and deletes (RSS)`,
        unit: "kB",
        better: "less",
        target: { limit: 150_000 },
        measure: ours(async (side) => {
          await soak(side, early);
          return before = await residentKb(side.daemon.pid);
        }),
      },
      {
        name: `growth from there to ${launches} launches and deletes (RSS)`,
        unit: "kB",
        better: "less",
        target: { limit: 10_000 },
        measure: ours(async (side) => {
          await soak(side, launches - early);
          return await residentKb(side.daemon.pid) - before;
        }),
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
  return [IDLE, LAUNCHES, EXEC, CROWD, ...INSTANCE_GROUPS, ...STORAGE_GROUPS, memory(launches)];
}
