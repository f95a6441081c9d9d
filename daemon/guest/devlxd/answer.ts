/** What /dev/lxd answers to the root of a container about that container. Pure. */

/** All that a container may learn of itself. */
export interface Guest {
  readonly id: number;
  readonly name: string;
  readonly project: string;
  /** Expanded, without secrets of the host: only `user.` and `cloud-init.` keys leave it. */
  readonly config: Readonly<Record<string, string>>;
  /** Expanded, with the hardware addresses that the daemon chose. */
  readonly devices: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly cloudInitId: string;
}

export type Answer =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "refusal"; readonly status: number; readonly text: string }
  | { readonly kind: "image"; readonly fingerprint: string }
  | { readonly kind: "events"; readonly types: readonly string[] };

const EVENT_TYPES = ["config", "device"];

/** @param url of the request. @see LXD doc/dev-lxd.md */
export function answer(guest: Guest, url: URL): Answer {
  const path = url.pathname;
  if (path === "/") return { kind: "json", value: ["/1.0"] };
  if (path === "/1.0") {
    const facts = { api_version: "1.0", instance_type: "container", location: "none" };
    return { kind: "json", value: { state: "Started", ...facts } };
  }
  if (path === "/1.0/config") {
    const keys = Object.keys(guest.config).filter(isVisible).toSorted();
    return { kind: "json", value: keys.map((key) => `/1.0/config/${key}`) };
  }
  if (path.startsWith("/1.0/config/")) return configValue(guest, path);
  if (path === "/1.0/devices") return { kind: "json", value: guest.devices };
  if (path === "/1.0/meta-data") return { kind: "text", text: metaData(guest) };
  if (path === "/1.0/events") return { kind: "events", types: eventTypes(url) };
  const fingerprint = /^\/1\.0\/images\/([^/]+)\/export$/.exec(path)?.[1];
  if (fingerprint === undefined) return refusal(404, "404 page not found");
  const isAllowed = guest.config["security.devlxd.images"] === "true";
  return isAllowed ? { kind: "image", fingerprint } : refusal(403, "not authorized");
}

/** @param status of HTTP; the text goes to the guest as it is. */
export function refusal(status: number, text: string): Answer {
  return { kind: "refusal", status, text };
}

function isVisible(key: string): boolean {
  return key.startsWith("user.") || key.startsWith("cloud-init.");
}

function configValue({ config }: Guest, path: string): Answer {
  let key: string;
  try {
    key = decodeURIComponent(path.slice("/1.0/config/".length));
  } catch {
    return refusal(400, "bad request"); // Ignored: told to the caller.
  }
  if (!isVisible(key)) return refusal(403, "not authorized");
  const value = Object.hasOwn(config, key) ? config[key] : undefined;
  return value === undefined ? refusal(404, "not found") : { kind: "text", text: value };
}

function metaData({ name, config, cloudInitId }: Guest): string {
  return `#cloud-config\ninstance-id: ${cloudInitId || name}\nlocal-hostname: ${name}\n` +
    (config["user.meta-data"] ?? "");
}

function eventTypes(url: URL): readonly string[] {
  const text = url.searchParams.get("type") ?? "";
  return text === "" ? EVENT_TYPES : text.split(",").filter((type) => EVENT_TYPES.includes(type));
}

export interface GuestEvent {
  readonly type: "config" | "device";
  readonly metadata: unknown;
}

/** What a container hears of a change of its configuration and devices. */
export function changesOf(before: Guest, after: Guest): GuestEvent[] {
  const events: GuestEvent[] = [];
  for (const key of keysOf(before.config, after.config).filter(isVisible)) {
    const [old_value, value] = [before.config[key] ?? "", after.config[key] ?? ""];
    if (old_value !== value) events.push({ type: "config", metadata: { key, old_value, value } });
  }
  for (const name of keysOf(before.devices, after.devices)) {
    const [old, now] = [before.devices[name], after.devices[name]];
    const device = (action: string, config: unknown) =>
      events.push({ type: "device", metadata: { action, name, config } });
    if (old === undefined) device("added", now);
    else if (now === undefined) device("removed", old);
    else if (!isSame(old, now)) device("updated", now);
  }
  return events;
}

function keysOf(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted();
}

type Texts = Readonly<Record<string, string>>;

function isSame(a: Texts, b: Texts): boolean {
  return keysOf(a, b).every((key) => (a[key] ?? "") === (b[key] ?? ""));
}
