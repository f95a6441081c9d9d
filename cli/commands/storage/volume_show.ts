/** How volumes are listed, and what of one is shown. */
import type { Client } from "#api/client.ts";
import { formatBytes } from "#base/units.ts";
import { type Context, path } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { sortVolumes } from "#cli/output/sort.ts";
import { render, table } from "#cli/output/table.ts";
import { isUnset, shortTime } from "#cli/output/time.ts";
import { placeOf, volumeUrl, wholePlaceOf } from "./volume_names.ts";

interface Volume {
  readonly name: string;
  readonly type: string;
  readonly description: string;
  readonly content_type: string;
  readonly project: string;
  readonly location: string;
  readonly used_by: readonly string[] | null;
}

interface Snapshot {
  readonly name: string;
  readonly description: string;
  readonly expires_at: string | null;
}

interface Backup {
  readonly name: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly volume_only: boolean;
  readonly optimized_storage: boolean;
}

interface State {
  readonly usage: { readonly used: number; readonly total?: number } | null;
}

interface Column {
  readonly header: string;
  readonly value: (volume: Volume, usage: string) => string;
}

const COLUMNS: Readonly<Record<string, Column>> = {
  e: { header: "PROJECT", value: ({ project }) => project },
  t: {
    header: "TYPE",
    value: ({ type, name }) => name.includes("/") ? `${type} (snapshot)` : type,
  },
  n: { header: "NAME", value: ({ name }) => name },
  d: { header: "DESCRIPTION", value: ({ description }) => description },
  c: { header: "CONTENT-TYPE", value: ({ content_type }) => content_type },
  u: { header: "USED BY", value: ({ used_by }) => String(used_by?.length ?? 0) },
  U: { header: "USAGE", value: (_volume, usage) => usage },
  L: { header: "LOCATION", value: ({ location }) => location },
};

const DEFAULT_COLUMNS = "etndcuL";

/** `storage volume list`. */
export async function listVolumes(
  context: Context,
  [label = "", ...filters]: readonly string[],
  flags: {
    readonly format: string;
    readonly columns: string;
    readonly "all-projects": boolean;
  },
): Promise<void> {
  const { client, pool } = placeOf(context, [label]);
  const conditions = filters.filter((one) => one.includes("="));
  const begins = filters.filter((one) => !one.includes("="));
  const all = await client.get<Volume[]>(path("storage-pools", pool, "volumes"), {
    query: {
      recursion: 1,
      ...flags["all-projects"] && { "all-projects": true },
      ...conditions.length > 0 && {
        filter: conditions.map((one) => one.replace("=", " eq ")).join(" and "),
      },
    },
  });
  const data = all.filter(({ name }) =>
    begins.length === 0 || begins.some((one) => name.startsWith(one))
  );
  const isDefault = flags.columns === DEFAULT_COLUMNS;
  const letters = [...flags.columns].filter((one) => one !== ",").filter((one) =>
    !(isDefault && one === "L") && !(isDefault && one === "e" && !flags["all-projects"])
  );
  const columns = letters.map((letter) => {
    const column = COLUMNS[letter];
    if (column === undefined) {
      throw new Error(`Unknown column shorthand char '${letter}' in '${flags.columns}'`);
    }
    return column;
  });
  const rows = await Promise.all(data.map(async (one) => {
    const usage = letters.includes("U") && !one.name.includes("/") && one.type !== "image"
      ? await usageOf(client, pool, one)
      : "";
    return columns.map((column) => column.value(one, usage));
  }));
  context.out.text(render({
    header: columns.map(({ header }) => header),
    rows: sortVolumes(rows),
    data,
    shape: shape("volume"),
  }, flags.format));
}

async function usageOf(
  client: Client,
  pool: string,
  { type, name }: Volume,
): Promise<string> {
  const url = volumeUrl(pool, { type, name, snapshot: undefined });
  const { usage } = await client.get<State>(`${url}/state`);
  return usage ? formatBytes(usage.used) : "";
}

/** `storage volume info`. */
export async function volumeInfo(
  context: Context,
  names: readonly string[],
  { target }: { readonly target: string },
): Promise<void> {
  const { client, url } = wholePlaceOf(context, names, target);
  const volume = await client.get<Volume>(url);
  const { usage } = await client.get<State>(`${url}/state`);
  const lines = [
    `Name: ${volume.name}`,
    ...volume.description === "" ? [] : [`Description: ${volume.description}`],
    `Type: ${volume.type}`,
    `Content type: ${volume.content_type}`,
    ...usage ? [`Usage: ${formatBytes(usage.used)}`] : [],
    ...usage?.total ? [`Total: ${formatBytes(usage.total)}`] : [],
  ];
  context.out.text(`${lines.join("\n")}\n`);
  const when = (time: string | null) => isUnset(time ?? undefined) ? "" : shortTime(time ?? "");
  const query = { recursion: 1 };
  const snapshots = await client.get<Snapshot[]>(`${url}/snapshots`, { query });
  if (snapshots.length > 0) {
    const rows = snapshots.map((one) => [
      one.name.split("/").at(-1) ?? "",
      one.description,
      when(one.expires_at),
    ]);
    context.out.text(`\nSnapshots:\n${table(["NAME", "DESCRIPTION", "EXPIRES AT"], rows)}`);
  }
  if (volume.type !== "custom") return;
  const backups = await client.get<Backup[]>(`${url}/backups`, { query });
  if (backups.length === 0) return;
  const header = ["NAME", "TAKEN AT", "EXPIRES AT", "VOLUME ONLY", "OPTIMIZED STORAGE"];
  const yes = (value: boolean) => value ? "YES" : "NO";
  const rows = backups.map((one) => [
    one.name,
    when(one.created_at),
    when(one.expires_at),
    yes(one.volume_only),
    yes(one.optimized_storage),
  ]);
  context.out.text(`\nBackups:\n${table(header, rows)}`);
}
