/** `key=value` arguments, and objects with a `config` map that commands get, set and unset. */
import type { Client } from "#api/client.ts";
import { UsageError } from "./command.ts";
import { readStdin } from "./stdin.ts";

/** `key value`, or any number of `key=value`; the value `-` is read from stdin. */
export function parseKeyValues(args: readonly string[]): Record<string, string> {
  const [first = "", second] = args;
  if (args.length === 2 && second !== undefined && !first.includes("=")) {
    return { [first]: second === "-" ? readStdin() : second };
  }
  const values: Record<string, string> = {};
  for (const arg of args) {
    const [key, value] = splitPair(arg);
    values[key] = value === "-" ? readStdin() : value;
  }
  return values;
}

/** @throws {UsageError} without "=". */
export function splitPair(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 0) throw new UsageError(`Invalid key=value configuration: ${text}`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** `key=value` pairs as given to -c or after a name; nothing is read from stdin. */
export function parsePairs(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map(splitPair));
}

export interface Configured {
  config?: Record<string, string> | null;
  [field: string]: unknown;
}

/** GET an object, change it, PUT it back, refusing if it changed meanwhile. */
export async function update<Thing = Configured>(
  client: Client,
  url: string,
  change: (thing: Thing) => unknown,
): Promise<void> {
  const { metadata, etag } = await client.send<Thing>("GET", url);
  const changed = change(metadata) ?? metadata;
  await client.operate("PUT", url, { json: changed, etag });
}

/** Set keys of an object's config; an empty value unsets: the server knows which keys there are. */
export async function setKeys(
  client: Client,
  url: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await update(client, url, (thing: Configured) => {
    return { ...thing, config: { ...thing.config, ...values } };
  });
}

/** @throws if the key isn't set. */
export async function unsetKey(client: Client, url: string, key: string): Promise<void> {
  await update(client, url, (thing: Configured) => {
    const config = { ...thing.config };
    if (!(key in config)) {
      throw new Error(`Can't unset key '${key}', it's not currently set`);
    }
    delete config[key];
    return { ...thing, config };
  });
}
