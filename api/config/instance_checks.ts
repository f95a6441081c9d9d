/** Validators for the values of instance keys. Each throws a Fault that says what is allowed. Pure. */
import { parseSchedule } from "#base/cron.ts";
import { findArchitecture } from "#base/architectures.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { isFalse, isTrue, parseBytes } from "#base/units.ts";
import { parseYaml } from "#api/yaml.ts";

export type Check = (value: string) => void;

function refuse(value: string, want: string): never {
  throw new Fault("bad_request", `invalid value "${value}": want ${want}`);
}

export const anyValue: Check = () => {};

export const boolValue: Check = (value) => {
  if (!isTrue(value) && !isFalse(value)) refuse(value, "true or false");
};

const INT64_MAX = 2n ** 63n - 1n;

export const intValue: Check = (value) => {
  const isInt = /^[+-]?\d+$/.test(value);
  const size = isInt ? BigInt(value.replace(/^[+-]/, "")) : 0n;
  if (!isInt || size > INT64_MAX) refuse(value, "an integer of 64 bits");
};

export const uint32Value: Check = (value) => {
  if (!/^\d+$/.test(value) || Number(value) > 4294967295) {
    refuse(value, "an integer from 0 to 4294967295");
  }
};

export const bytesValue: Check = (value) => void parseBytes(value);

/** A whole number within bounds, both included. */
export function intBetween(min: number, max: number): Check {
  return (value) => {
    if (!/^-?\d+$/.test(value) || Number(value) < min || Number(value) > max) {
      refuse(value, `an integer from ${min} to ${max}`);
    }
  };
}

/** Processes of a cgroup; -1: as many as they like. */
export const processCount: Check = (value) => {
  if (value !== "-1") intBetween(1, 4194304)(value);
};

/** What goes into lxc.conf and environments takes one line. */
export const oneLine: Check = (value) => {
  if (value.includes("\n")) refuse(value, "one line: there are no line breaks in it");
};

/** One of a list of words. */
export function wordOf(...words: string[]): Check {
  return (value) => {
    if (!words.includes(value)) refuse(value, `one of ${words.map((w) => `"${w}"`).join(", ")}`);
  };
}

/** "512MiB", or a share of the host's memory such as "50%"; more than nothing. */
export const bytesOrPercent: Check = (value) => {
  if (!value.endsWith("%")) bytesValue(value);
  else if (!/^\d+%$/.test(value)) refuse(value, "a size such as 512MiB or a percentage of memory");
  if (/^0+\D*$/.test(value)) refuse(value, "more than no memory");
};

/** "2" CPUs anywhere, or a set to pin to: "0-3,5", "1-1". */
export const cpuCountOrSet: Check = (value) => {
  const parts = value.split(",");
  for (const part of parts) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
    if (match === null || (match[2] !== undefined && Number(match[2]) < Number(match[1]))) {
      refuse(value, 'a number of CPUs ("2") or a set of CPUs ("0-1,3")');
    }
  }
  if (parts.length === 1 && /^0+$/.test(value)) refuse(value, "at least one CPU");
};

/** "25ms/100ms"; the unit may be left out. */
export const CPU_SLICE = /^(\d+)(?:ms)?\/(\d+)(?:ms)?$/;

/** "50%" (soft) or "25ms/100ms" (hard). */
export const cpuAllowance: Check = (value) => {
  if (/^\d+%$/.test(value)) return;
  const match = CPU_SLICE.exec(value);
  if (match === null || Number(match[1]) === 0 || Number(match[2]) === 0) {
    refuse(value, 'a share ("50%", soft) or a slice of time ("25ms/100ms", hard)');
  }
};

/** raw.idmap: lines of "both|uid|gid <host ids> <container ids>". */
export const rawIdmap: Check = (value) => {
  for (const line of value.split("\n")) {
    if (line.trim() === "") continue;
    const fields = line.trim().split(/\s+/);
    const [kind = "", host = "", inside = ""] = fields;
    if (fields.length !== 3 || !["both", "uid", "gid"].includes(kind)) {
      refuse(line, 'lines such as "both 1000 1000" or "uid 50-60 500-510"');
    }
    if (rangeSize(host) !== rangeSize(inside)) refuse(line, "two ranges of the same length");
  }
};

function rangeSize(text: string): number {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const size = match === null ? 0 : Number(match[2] ?? match[1]) - Number(match[1]) + 1;
  if (size < 1) refuse(text, 'an id ("1000") or a range of ids ("50-60")');
  return size;
}

/** Cron expressions of five fields and aliases (@daily ...), separated by ", ". */
export const schedule: Check = (value) => {
  if (value.trim() === "") refuse(value, "five cron fields or aliases such as @daily");
  try {
    parseSchedule(value);
  } catch (error) {
    refuse(value, `five cron fields or aliases such as @daily (${messageOf(error)})`);
  }
};

/** Time to live of a snapshot: "1M 2H 3d 4w 5m 6y". */
export const expiry: Check = (value) => {
  if (value === "") return;
  for (const part of value.trim().split(/\s+/)) {
    if (!/^\d+[SMHdwmy]$/.test(part)) {
      refuse(
        value,
        'a time to live such as "2w 3d" (S seconds, M minutes, H hours, d, w, m months, y)',
      );
    }
  }
};

/** Soft and hard limit of a kernel resource: "1024", "1024:4096", "unlimited". */
export const kernelLimit: Check = (value) => {
  const match = /^(\d+|unlimited)(?::(\d+|unlimited))?$/.exec(value);
  if (match === null) refuse(value, 'a limit such as "1024", "1024:4096" or "unlimited"');
  const [, soft = "", hard = soft] = match;
  const number = (limit: string) => limit === "unlimited" ? Infinity : Number(limit);
  if (number(soft) > number(hard)) refuse(value, "a soft limit that is not above the hard one");
};

/** A switch that this server can't turn on. */
export function notTrue(why: string): Check {
  return (value) => {
    if (isTrue(value)) throw new Fault("bad_request", why);
  };
}

/** "ext4=fuse2fs,squashfs=squashfuse" */
export const fusePrograms: Check = (value) => {
  for (const pair of value.split(",")) {
    if (!/^[\w.-]+=[\w.\/-]+$/.test(pair.trim())) {
      refuse(value, "file systems and programs such as ext4=fuse2fs, between commas");
    }
  }
};

/** Names of kernel modules between commas. */
export const moduleNames: Check = (value) => {
  for (const name of value.split(",")) {
    if (!/^[A-Za-z0-9_-]*$/.test(name.trim())) {
      refuse(value, 'names of modules such as "tun,ip_vs"');
    }
  }
};

/** A program, perhaps with a level: "zstd -3". */
export const compression: Check = (value) => {
  const [program = ""] = value.split(" ");
  wordOf("bzip2", "gzip", "lzma", "xz", "none", "zstd", "squashfs")(program);
};

export const architecture: Check = (value) => {
  if (findArchitecture(value) === undefined) refuse(value, "an architecture such as x86_64");
};

/** A YAML mapping, or nothing. */
export const yamlMapping: Check = (value) => {
  let content: unknown;
  try {
    content = parseYaml(value);
  } catch (error) {
    refuse(value, `YAML (${messageOf(error)})`);
  }
  const isMapping = typeof content === "object" && !Array.isArray(content);
  if (!isMapping) refuse(value, "a YAML mapping");
};

/** RFC 4122, any version. */
export const uuidValue: Check = (value) => {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) refuse(value, "a UUID");
};
