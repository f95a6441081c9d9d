/** Expansion: profiles in order, then local values. Pure. @see LXD doc/profiles.md */
import type { Config, Devices, ProfileLayer } from "./record.ts";

interface Layer {
  readonly config: Config;
  readonly devices: Devices;
}

/** Later layers win, key by key. */
export function expandConfig(profiles: readonly Layer[], local: Config): Record<string, string> {
  const result: Record<string, string> = {};
  for (const layer of profiles) {
    // Image and volatile keys never come from a profile.
    for (const [key, value] of Object.entries(layer.config)) {
      if (!key.startsWith("volatile.") && !key.startsWith("image.")) result[key] = value;
    }
  }
  return Object.assign(result, local);
}

/** Later layers replace a device of the same name as a whole. A `none` device stays and masks. */
export function expandDevices(
  profiles: readonly Layer[],
  local: Devices,
): Record<string, Config> {
  const result: Record<string, Config> = {};
  for (const layer of profiles) Object.assign(result, layer.devices);
  return Object.assign(result, local);
}

/**
 * The root disk among devices. There should be one; of several the last wins, so that an instance stays
 * on its own disk when one of its profiles gets another.
 */
export function findRootDisk(devices: Devices): { name: string; config: Config } | undefined {
  return rootDisks(devices).at(-1);
}

/** More than one is an error of the configuration, for the caller to tell. */
export function rootDisks(devices: Devices): { name: string; config: Config }[] {
  return Object.entries(devices).flatMap(([name, config]) =>
    isRootDisk(config) ? [{ name, config }] : []
  );
}

/** On "/", of a pool and of no custom volume. */
export function isRootDisk(config: Config): boolean {
  return config["type"] === "disk" && config["path"] === "/" && (config["source"] ?? "") === "" &&
    (config["pool"] ?? "") !== "";
}

/** The root disk on `pool`, by a device of the instance where its profiles say otherwise. */
export function withRootOn(own: Devices, expanded: Devices, pool: string): Devices {
  const root = findRootDisk(expanded);
  if (root === undefined) return { ...own, root: { type: "disk", path: "/", pool } };
  if (root.config["pool"] === pool) return own;
  return { ...own, [root.name]: { ...root.config, pool } };
}

/**
 * The same for a snapshot that comes with its instance: a restore would bring the root disk of another
 * pool. @param layers Profiles of the instance.
 */
export function snapshotRootOn(
  { devices, profiles }: { readonly devices: Devices; readonly profiles: readonly string[] },
  layers: readonly (Layer & Pick<ProfileLayer, "name">)[],
  pool: string,
): Devices {
  const own = layers.filter(({ name }) => profiles.includes(name));
  return withRootOn(devices, expandDevices(own, devices), pool);
}
