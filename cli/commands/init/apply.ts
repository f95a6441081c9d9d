/** Bring about a preseed, thing by thing; if one fails, what was done before is undone. */
import type { Client, ClientError } from "#api/client.ts";
import { Undo } from "#base/undo.ts";
import { isNotFound, path } from "#cli/context.ts";
import type { Keys, Preseed, PreseedNetwork, PreseedPool } from "./preseed.ts";

/** @throws naming the thing that could not be made. */
export async function applyPreseed(client: Client, preseed: Preseed): Promise<void> {
  await using undo = new Undo();
  if (Object.keys(preseed.config).length > 0) await applyServer(client, preseed.config, undo);
  for (const pool of preseed.storage_pools) await applyPool(client, pool, undo);
  const isDefault = ({ project }: PreseedNetwork) => !project || project === "default";
  for (const network of preseed.networks.filter(isDefault)) {
    await applyNetwork(client, network, undo);
  }
  for (const { name, description, config } of preseed.projects) {
    await applyThing(client, undo, {
      what: `local member project "${name}"`,
      list: path("projects"),
      url: path("projects", name),
      create: { name, description: description ?? "", config: config ?? {} },
      change: (current) => merged(current, { description, config }),
    });
  }
  for (const network of preseed.networks.filter((one) => !isDefault(one))) {
    await applyNetwork(client, network, undo);
  }
  for (const { name, description, config, devices } of preseed.profiles) {
    await applyThing(client, undo, {
      what: `profile "${name}"`,
      list: path("profiles"),
      url: path("profiles", name),
      create: {
        name,
        description: description ?? "",
        config: config ?? {},
        devices: devices ?? {},
      },
      change: (current) => {
        const all = { ...current.devices };
        for (const [key, device] of Object.entries(devices ?? {})) {
          all[key] = { ...all[key], ...device };
        }
        return { ...merged(current, { description, config }), devices: all };
      },
    });
  }
  undo.keep();
}

async function applyServer(client: Client, config: Keys, undo: Undo): Promise<void> {
  const { metadata } = await client.send<Current>("GET", "/1.0");
  const before = metadata.config ?? {};
  const put = (values: Keys) => client.operate("PUT", "/1.0", { json: { config: values } });
  await named("update server configuration", () => put({ ...before, ...config }));
  undo.add("restore the server configuration", () => put(before).then(() => {}));
}

async function applyPool(client: Client, pool: PreseedPool, undo: Undo): Promise<void> {
  const { name, description, driver, config } = pool;
  await applyThing(client, undo, {
    what: `storage pool "${name}"`,
    list: path("storage-pools"),
    url: path("storage-pools", name),
    create: { name, description: description ?? "", driver, config: config ?? {} },
    change: (current) => {
      if (driver && current.driver !== driver) {
        throw new Error(
          `Storage pool "${name}" is of type "${current.driver}" instead of "${driver}"`,
        );
      }
      return merged(current, { description, config });
    },
  });
}

async function applyNetwork(client: Client, network: PreseedNetwork, undo: Undo): Promise<void> {
  const { name, description, type, config } = network;
  const project = network.project || "default";
  await applyThing(client.inProject(project), undo, {
    what: `local member network "${name}" in project "${project}"`,
    list: path("networks"),
    url: path("networks", name),
    create: { name, description: description ?? "", type: type ?? "", config: config ?? {} },
    change: (current) => merged(current, { description, config }),
  });
}

interface Current {
  readonly config?: Keys | null;
  readonly description?: string;
  readonly devices?: Record<string, Keys>;
  readonly driver?: string;
}

interface Thing {
  /** As in "Failed to create <what>". */
  readonly what: string;
  readonly list: string;
  readonly url: string;
  /** Posted to the list if it does not exist. */
  readonly create: unknown;
  /** What is put if it exists. */
  readonly change: (current: Current) => unknown;
}

async function applyThing(client: Client, undo: Undo, thing: Thing): Promise<void> {
  const current = await find(client, thing.url);
  if (current === undefined) {
    await named(
      `create ${thing.what}`,
      () => client.operate("POST", thing.list, { json: thing.create }),
    );
    undo.add(`delete ${thing.what}`, () => client.operate("DELETE", thing.url).then(() => {}));
    return;
  }
  const changed = thing.change(current);
  const put = (json: unknown) => client.operate("PUT", thing.url, { json });
  await named(`update ${thing.what}`, () => put(changed));
  undo.add(`restore ${thing.what}`, () => put(current).then(() => {}));
}

async function find(client: Client, url: string): Promise<Current | undefined> {
  try {
    return await client.get<Current>(url);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function merged(current: Current, wanted: { description?: string; config?: Keys }): Current {
  return {
    ...current,
    description: wanted.description || current.description,
    config: { ...current.config, ...wanted.config },
  };
}

async function named(action: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const reason = (error as ClientError).message;
    throw new Error(`Failed to ${action}: ${reason}`, { cause: error });
  }
}
