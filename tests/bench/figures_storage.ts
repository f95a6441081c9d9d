/** Figures about images and volumes: publish, import, copy, snapshot, delete, and launches on btrfs. */
import type { Group } from "./figure.ts";
import { timed } from "./measure.ts";
import type { Side } from "./side.ts";

/** What a used container has more than a fresh one. */
const FILL = "cd /root && for i in $(seq 5000); do head -c 100000 /dev/urandom >f$i; done";

const times = (side: Side) => side.name === "LXD" ? 3 : 5;

/** The same on a fresh container and on one with 500 MB written inside. */
function volumeFigures(name: string, used: boolean): Group["figures"] {
  const what = used ? "with 500 MB inside" : "fresh";
  return [
    {
      name: `copy of a Debian container, ${what}, dir pool`,
      unit: "ms",
      better: "less",
      target: { ratio: used ? 1 / 2 : 1 / 20 },
      measure: (side) =>
        timed(
          { times: times(side), after: (index) => side.remove(`copy${index}`) },
          (index) => side.lxc("copy", name, `copy${index}`),
        ),
    },
    snapshotFigure(name, `${what}, dir pool`, used ? 1 / 2 : 1 / 5),
  ];
}

function snapshotFigure(name: string, what: string, ratio: number): Group["figures"][number] {
  return {
    name: `snapshot and restore, ${what}`,
    unit: "ms",
    better: "less",
    target: { ratio },
    measure: (side) =>
      timed({ times: times(side), after: () => side.lxc("delete", `${name}/one`) }, async () => {
        await side.lxc("snapshot", name, "one");
        await side.lxc("restore", name, "one");
      }),
  };
}

const VOLUMES: Group = {
  prepare: async (side) => {
    await side.lxc("init", "debian", "plain");
    await side.lxc("launch", "debian", "used");
    await side.lxc("exec", "used", "--", "sh", "-c", FILL);
    await side.lxc("stop", "--force", "used");
  },
  figures: [
    ...volumeFigures("plain", false),
    ...volumeFigures("used", true),
    {
      name: "delete of a Debian container, dir pool",
      unit: "ms",
      better: "less",
      target: { ratio: 1 },
      measure: (side) =>
        timed(
          { times: times(side), before: (index) => side.lxc("init", "debian", `gone${index}`) },
          (index) => side.remove(`gone${index}`),
        ),
    },
    {
      name: "publish of a Debian container, dir pool",
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 3 },
      measure: (side) =>
        timed(
          { times: 1, after: () => side.lxc("image", "delete", "published") },
          () => side.lxc("publish", "plain", "--alias", "published"),
        ),
    },
    {
      name: "image export and import of the Debian image",
      unit: "ms",
      better: "less",
      target: { ratio: 1 },
      measure: async (side) => {
        const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-bench." });
        const samples = await timed({ times: 3 }, async () => {
          await side.lxc("image", "export", "debian", `${folder}/debian`);
          await side.lxc("image", "delete", "debian");
          const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
          // The metadata first, as `image import` wants them.
          const isRoot = (name: string) => Number(name.endsWith(".root"));
          const parts = names.toSorted((a, b) => isRoot(a) - isRoot(b));
          const paths = parts.map((name) => `${folder}/${name}`);
          await side.lxc("image", "import", ...paths, "--alias", "debian");
        });
        await Deno.remove(folder, { recursive: true });
        return samples;
      },
    },
  ],
  cleanUp: (side) => side.remove("plain", "used"),
};

const POOL = "fast";

/** On a loop file of the daemon's own. Both unpack the image before it is measured. */
const BTRFS: Group = {
  prepare: async (side) => {
    await side.lxc("storage", "create", POOL, "btrfs", "size=6GiB");
    await side.lxc("launch", "debian", "plain", "--storage", POOL);
    await side.lxc("stop", "--force", "plain");
    await side.lxc("copy", "plain", "used");
    await side.lxc("start", "used");
    await side.lxc("exec", "used", "--", "sh", "-c", FILL);
    await side.lxc("stop", "--force", "used");
  },
  figures: [
    {
      name: "launch Debian, cached image, btrfs pool",
      unit: "ms",
      better: "less",
      target: { ratio: 1 / 3 },
      measure: (side) =>
        timed(
          { times: times(side), after: (index) => side.remove(`bench${index}`) },
          (index) => side.lxc("launch", "debian", `bench${index}`, "--storage", POOL),
        ),
    },
    snapshotFigure("plain", "fresh, btrfs pool", 1),
    snapshotFigure("used", "with 500 MB inside, btrfs pool", 1),
  ],
  cleanUp: async (side) => {
    await side.remove("plain", "used");
    await side.lxc("storage", "delete", POOL);
  },
};

export const STORAGE_GROUPS: readonly Group[] = [VOLUMES, BTRFS];
