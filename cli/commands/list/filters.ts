/** What `list` shows: names, properties and keys of the configuration. Pure. */
import { contains, parseAddress, parseSubnet } from "#base/ip.ts";
import type { Instance } from "./instance.ts";

export interface Filters {
  readonly matches: (instance: Instance) => boolean;
  /** Addresses are asked for. */
  readonly full: boolean;
}

type Filter = (instance: Instance) => boolean;

const PROPERTIES = [
  "architecture",
  "description",
  "location",
  "name",
  "project",
  "status",
  "type",
] as const;
type Property = (typeof PROPERTIES)[number];

/** All of them must match. */
export function parseFilters(texts: readonly string[]): Filters {
  const filters = texts.map(parseFilter);
  return {
    matches: (instance) => filters.every((filter) => filter(instance)),
    full: texts.some((text) => /^ipv[46]=/.test(text)),
  };
}

function parseFilter(text: string): Filter {
  const equals = text.indexOf("=");
  if (equals < 0) return nameFilter(text);
  const key = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (isProperty(key)) {
    const wanted = value.toLowerCase().split(",");
    return (instance) => wanted.includes(String(instance[key]).toLowerCase());
  }
  if (key === "ipv4") return addressFilter(value, 4);
  if (key === "ipv6") return addressFilter(value, 6);
  return keyFilter(key, value);
}

const isProperty = (key: string): key is Property =>
  (PROPERTIES as readonly string[]).includes(key);

/** How a name begins, or an expression for all of it. */
function nameFilter(text: string): Filter {
  const pattern = wholly(text);
  return ({ name }) => name.startsWith(text) || (pattern?.test(name) ?? false);
}

/** `user.blah=abc`, `u.blah=abc`, `volatile.eth0.hwaddr=00:16:.*`; no value: the key isn't set. */
function keyFilter(key: string, value: string): Filter {
  const pattern = wholly(value);
  return ({ expanded_config: config }) => {
    const entries = Object.entries(config ?? {}).filter(([name]) => isShort(key, name));
    if (entries.length === 0) return value === "";
    return entries.some(([, text]) => text === value || (pattern?.test(text) ?? false));
  };
}

/** Is each part of `short` the beginning of the part of `key` in its place? */
export function isShort(short: string, key: string): boolean {
  const parts = key.split(".");
  const shorts = short.split(".");
  return parts.length === shorts.length &&
    shorts.every((part, index) => parts[index]?.startsWith(part));
}

function addressFilter(value: string, family: 4 | 6): Filter {
  const wanted = value.split(",");
  return ({ state }) =>
    Object.values(state?.network ?? {}).some(({ addresses }) =>
      (addresses ?? []).some(({ family: kind, address }) =>
        kind === (family === 4 ? "inet" : "inet6") &&
        wanted.some((one) => isWithin(address, one))
      )
    );
}

function isWithin(text: string, wanted: string): boolean {
  if (text === wanted) return true;
  const subnet = parseSubnet(wanted);
  const address = parseAddress(text);
  return subnet !== undefined && address !== undefined &&
    contains(subnet, address.family, address.value);
}

/** The expression stands for all of the text, unless it says itself where it begins or ends. */
function wholly(text: string): RegExp | undefined {
  try {
    return new RegExp(/[\^$]/.test(text) ? text : `^${text}$`);
  } catch {
    return undefined; // Ignored: no expression, so it is plain text.
  }
}
