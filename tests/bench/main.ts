/** tools/bench: our daemon and client beside Debian's LXD, on the same machine in the same run. */
import { parseArgs } from "node:util";
import { DEBIAN } from "#tests/world/daemon.ts";
import type { Figure, Group } from "./figure.ts";
import { allGroups } from "./figures.ts";
import { imageFiles } from "./images.ts";
import { Side } from "./side.ts";
import { failedRow, formatTable, makeRow, type Row } from "./table.ts";

const USAGE = `usage: tools/bench [--alone] [--json] [--only WORD] [--launches N]
Installs Debian's lxd and runs it in a network of its own, beside ours; removes what it made.
  --alone       ours only: nothing is installed, no ratios
  --only WORD   figures whose name contains it
  --launches N  before the last look at the daemon's memory (1000)
  --go-client   Debian's lxc for ours too
`;

const { values } = parseArgs({
  options: {
    alone: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "go-client": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
    only: { type: "string", default: "" },
    launches: { type: "string", default: "1000" },
  },
});

/** A figure that can't be had says so and leaves the others alone. */
async function measureFigure(figure: Figure, sides: readonly Side[]): Promise<Row | undefined> {
  if (!values.json) console.error(`measuring: ${figure.name}`);
  try {
    const samples = [];
    for (const side of sides) samples.push(await figure.measure(side));
    const [ours, reference] = samples;
    return ours === undefined ? undefined : makeRow(figure, ours, reference);
  } catch (error) {
    console.error(`${figure.name}: ${error instanceof Error ? error.message : error}`);
    return failedRow(figure);
  }
}

async function measureGroup(group: Group, sides: readonly Side[]): Promise<Row[]> {
  const figures = group.figures.filter(({ name }) => name.includes(values.only));
  if (figures.length === 0) return [];
  for (const side of sides) await group.prepare?.(side);
  const rows: Row[] = [];
  for (const figure of figures) {
    const row = await measureFigure(figure, sides);
    if (row === undefined) continue;
    rows.push(row);
    // A long run that is broken off has said something.
    if (!values.json) console.error(formatTable([row]).split("\n").at(-1));
  }
  for (const side of sides) await group.cleanUp?.(side);
  return rows;
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const cache = new URL("../../.cache/bench", import.meta.url).pathname;
  const images = await imageFiles(cache);
  await using ours = await Side.ours(images, values["go-client"] ? DEBIAN.lxc : undefined);
  await using reference = values.alone ? undefined : await Side.reference(images);
  const sides = reference === undefined ? [ours] : [ours, reference];
  const rows: Row[] = [];
  for (const group of allGroups(Number(values.launches))) {
    rows.push(...await measureGroup(group, sides));
  }
  console.log(values.json ? JSON.stringify(rows, null, 2) : formatTable(rows));
  return rows.some(({ met }) => met === false) ? 1 : 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`tools/bench: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
