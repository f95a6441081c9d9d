/** lxd recover: bring back into the database what is on storage pools. */
import type { Client } from "#api/client.ts";
import { type Command, command } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { readLine } from "#cli/stdin.ts";
import { type Asker, terminalAsker } from "./init/asker.ts";

interface Pool {
  readonly name: string;
  readonly driver: string;
  readonly description?: string;
  readonly config: Readonly<Record<string, string>>;
}

interface Volume {
  readonly name: string;
  readonly type: string;
  readonly snapshotCount: number;
  readonly project: string;
  readonly pool: string;
}

interface Findings {
  readonly UnknownVolumes: readonly Volume[] | null;
  readonly DependencyErrors: readonly string[] | null;
}

export const RECOVER_COMMANDS: readonly Command[] = [
  command({
    name: "recover",
    only: "lxd",
    usage: "",
    summary: "Recover missing instances and volumes from existing and unknown storage pools",
    description:
      "After a disaster, when volumes are there but the database does not know them. It " +
      "asks for pools\nthat are not known either, scans all of them, and makes the records again.",
    args: [0, 0],
    run: (context) => recover(context, terminalAsker(context)),
  }),
];

async function recover(context: Context, ask: Asker): Promise<void> {
  const client = context.client("local");
  const server = await client.get<{
    environment: { storage_supported_drivers: readonly { readonly Name: string }[] };
  }>("/1.0");
  const known = await client.get<Pool[]>("/1.0/storage-pools", { query: { recursion: 1 } });
  const { out } = context;
  if (known.length > 0) out.line("This LXD server currently has the following storage pools:");
  for (const pool of known) out.line(` - ${pool.name} ${backing(pool)}`);
  const drivers = server.environment.storage_supported_drivers.map(({ Name }) => Name).toSorted();
  const added = askPools(ask, drivers, known);
  out.line("The recovery process will be scanning the following storage pools:");
  for (const pool of known) out.line(` - EXISTING: ${describe(pool)}`);
  for (const pool of added) out.line(` - NEW: ${describe(pool)}`);
  const scan =
    "Would you like to continue with scanning for lost volumes? (yes/no) [default=yes]: ";
  if (!ask.bool(scan, "yes")) return;
  const pools = [...known, ...added].map(({ name, driver, description, config }) => ({
    name,
    driver,
    description: description ?? "",
    config,
  }));
  out.line("Scanning for unknown volumes...");
  const volumes = await scanUntilComplete(context, client, pools);
  if (volumes.length === 0) return out.line("No unknown volumes found. Nothing to do.");
  out.line("The following unknown volumes have been found:");
  for (const volume of volumes) out.line(` - ${volumeText(volume)}`);
  if (!ask.bool("Would you like those to be recovered? (yes/no) [default=no]: ", "no")) return;
  out.line("Starting recovery...");
  try {
    await client.send("POST", "/internal/recover/import", { json: { pools } });
  } catch (error) {
    throw new Error(`Failed import request: ${(error as Error).message}`, { cause: error });
  }
}

const backing = ({ driver, config }: Pool) =>
  `(backend="${driver}", source="${config.source ?? ""}")`;
const describe = (pool: Pool) => `"${pool.name}" ${backing(pool)}`;

/** Pure. */
function volumeText({ name, type, snapshotCount, project, pool }: Volume): string {
  const kind = type === "custom" ? "Volume" : `${type.slice(0, 1).toUpperCase()}${type.slice(1)}`;
  return `${kind} "${name}" on pool "${pool}" in project "${project}" ` +
    `(includes ${snapshotCount} snapshots)`;
}

function askPools(ask: Asker, drivers: readonly string[], known: readonly Pool[]): Pool[] {
  const another = "Would you like to recover another storage pool? (yes/no) [default=no]: ";
  const added: Pool[] = [];
  while (ask.bool(another, "no")) {
    const isTaken = (name: string) => [...known, ...added].some((pool) => pool.name === name);
    const name = ask.text(
      "Name of the storage pool: ",
      undefined,
      (text) => isTaken(text) ? `Storage pool "${text}" is already known` : undefined,
    );
    const driver = ask.text(
      `Name of the storage backend (${drivers.join(", ")}): `,
      undefined,
      (text) =>
        drivers.includes(text)
          ? undefined
          : `Invalid value "${text}" (not one of [${drivers.join(" ")}])`,
    );
    const source = ask.text(
      "Source of the storage pool (block device, volume group, dataset, path, ... as applicable): ",
    );
    added.push({ name, driver, config: { source, ...askConfig(ask) } });
  }
  return added;
}

function askConfig(ask: Asker): Record<string, string> {
  const question = "Additional storage pool configuration property (KEY=VALUE, empty when done): ";
  const config: Record<string, string> = {};
  for (;;) {
    const pair = ask.text(
      question,
      " ",
      (text) =>
        text === " " || text.includes("=")
          ? undefined
          : "Config option should be in the format KEY=VALUE",
    );
    if (pair === " ") return config;
    const equals = pair.indexOf("=");
    config[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
}

/** Volumes refer to profiles, networks, projects: the user makes those that are missing first. */
async function scanUntilComplete(
  context: Context,
  client: Client,
  pools: readonly Pool[],
): Promise<readonly Volume[]> {
  for (;;) {
    let findings: Findings;
    try {
      findings = (await client.send<Findings>("POST", "/internal/recover/validate", {
        json: { pools },
      })).metadata;
    } catch (error) {
      throw new Error(`Failed validation request: ${(error as Error).message}`, { cause: error });
    }
    const missing = findings.DependencyErrors ?? [];
    if (missing.length === 0) return findings.UnknownVolumes ?? [];
    context.out.line("You are currently missing the following:");
    for (const one of missing) context.out.line(` - ${one}`);
    context.out.text("Please create those missing entries and then hit ENTER: ");
    if (readLine() === undefined) throw new Error("EOF");
  }
}
