/** Which page comes from which table. */
import { INSTANCE_KEY_PREFIXES, INSTANCE_KEYS } from "#api/config/instance_keys.ts";
import { openapiText } from "#api/openapi.ts";
import { COMMANDS } from "#cli/registry.ts";
import { allRoutes } from "#daemon/routes/all.ts";
import { ALLOWED_SKIPS } from "#tests/compat/skips.ts";
import { SUITES } from "#tests/compat/suites.ts";
import {
  apiPage,
  commandsPage,
  extensionsPage,
  keyPage,
  type KeyRow,
  type KeyTable,
  suitesPage,
} from "./pages.ts";

const CONFIG = new URL("../../api/config/", import.meta.url);

/** Names of files of api/config -> title of their keys in the docs. */
const TITLES: Readonly<Record<string, string>> = {
  server_keys: "Server",
  project_keys: "Projects",
  network_keys: "Networks",
  pool_keys: "Storage pools and volumes",
  volatile_keys: "Volatile keys of instances",
};

/** All exported key tables of the files that fit: a new file of keys needs no change here. */
async function tablesOf(files: RegExp): Promise<KeyTable[]> {
  const names = [...Deno.readDirSync(CONFIG)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts") && !name.endsWith("_test.ts"))
    .map((name) => name.slice(0, -3)).filter((name) => files.test(name)).toSorted();
  const tables: KeyTable[] = [];
  for (const name of names) {
    const exported: Record<string, unknown> = await import(new URL(`${name}.ts`, CONFIG).href);
    const found = Object.entries(exported).filter(([key, value]) =>
      key.endsWith("_KEYS") && typeof value === "object" && value !== null
    );
    for (const [key, value] of found) {
      const title = TITLES[name] ?? name.replace(/^device_/, "").replaceAll("_", "-");
      const part = found.length > 1 ? ` (${key.replace(/_KEYS$/, "").toLowerCase()})` : "";
      tables.push({ title: `${title}${part}`, keys: rowsOf(value) });
    }
  }
  return tables;
}

/** A table of rows, or a plain list of keys. */
function rowsOf(value: unknown): Record<string, KeyRow> {
  if (!Array.isArray(value)) return value as Record<string, KeyRow>;
  return Object.fromEntries(value.map((key: string) => [key, {}]));
}

/** Contents of docs/ by file name. */
export async function docs(): Promise<ReadonlyMap<string, string>> {
  // Handlers look at what they depend on when they are called, not when they are listed.
  const routes = allRoutes({} as never).map(({ row }) => row);
  const instance: KeyTable = {
    title: "Instances and profiles",
    keys: { ...INSTANCE_KEYS, ...INSTANCE_KEY_PREFIXES },
  };
  const others = await tablesOf(/^(server|project|network|pool\w*|volume\w*|volatile)_keys$/);
  return new Map([
    [
      "config.md",
      keyPage(
        "Configuration keys",
        "What each key does, and when a change takes effect. A key that is not listed is refused, " +
          "with the nearest name.",
        [instance, ...others],
      ),
    ],
    [
      "devices.md",
      keyPage(
        "Devices",
        "Keys of each type of device (`lxc config device add <instance> <device> <type> key=value`).",
        await tablesOf(/^device_/),
      ),
    ],
    ["commands.md", commandsPage(COMMANDS)],
    ["api.md", apiPage(routes)],
    ["extensions.md", extensionsPage()],
    ["suites.md", suitesPage(SUITES, ALLOWED_SKIPS)],
    ["openapi.json", openapiText(routes)],
  ]);
}
