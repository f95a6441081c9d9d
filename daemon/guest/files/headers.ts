/** The X-LXD-... headers of the file API. Pure. */
import { Fault } from "#base/errors.ts";
import type { FileType, NewEntry } from "#api/sftp/files.ts";
import { typeOf } from "#api/sftp/files.ts";
import type { Stat } from "#api/sftp/packet.ts";

export interface FileWish extends NewEntry {
  readonly type: FileType;
  readonly append: boolean;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const ID_MAX = 2 ** 32 - 2;
const MODE_MAX = 0o7777;

/** @throws {Fault} bad_request */
export function parseHeaders(headers: Headers): FileWish {
  const get = (name: string) => {
    const value = headers[`x-lxd-${name}`];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const id = (name: string) => {
    const text = get(name);
    // -1 stands for none.
    if (text === undefined || text === "-1") return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value <= ID_MAX) return value;
    throw new Fault("bad_request", `invalid header X-LXD-${name} "${text}": no user or group id`);
  };
  const type = get("type") ?? "file";
  if (type !== "file" && type !== "directory" && type !== "symlink") {
    throw new Fault("bad_request", `Bad file type: ${type}`, {
      hint: "file, directory or symlink",
    });
  }
  const write = get("write") ?? "overwrite";
  if (write !== "overwrite" && write !== "append") {
    throw new Fault("bad_request", `Bad file write mode: ${write}`, {
      hint: "overwrite or append",
    });
  }
  const mode = parseMode(get("mode"));
  return { type, append: write === "append", uid: id("uid"), gid: id("gid"), mode };
}

/**
 * As C writes numbers: 0644 and 0o644 are octal, 420 is decimal. Four octal digits are octal too:
 * LXD's client writes 4755 so, and nobody writes a sticky bit in decimal.
 */
function parseMode(text: string | undefined): number | undefined {
  if (text === undefined || text === "-1") return undefined;
  const octal = /^(?:0o?([0-7]+)|([1-7][0-7]{3}))$/.exec(text)?.slice(1).find(Boolean);
  const value = octal !== undefined
    ? parseInt(octal, 8)
    : /^(0|[1-9]\d*)$/.test(text)
    ? Number(text)
    : NaN;
  if (value <= MODE_MAX) return value;
  throw new Fault("bad_request", `invalid header X-LXD-mode "${text}"`, { hint: "Example: 0644" });
}

/** Ids as the instance sees them, the mode in octal with its special bits. */
export function fileHeaders(stat: Stat): Record<string, string> {
  return {
    "X-LXD-uid": String(stat.uid),
    "X-LXD-gid": String(stat.gid),
    "X-LXD-mode": (stat.mode & 0o7777).toString(8).padStart(4, "0"),
    "X-LXD-modified": timeText(stat.modifiedSeconds),
    "X-LXD-type": typeOf(stat),
  };
}

/** "2026-11-26 01:51:05 +0000 UTC" */
function timeText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
}

/** A name for downloads; what no header can hold is escaped. */
export function dispositionOf(path: string): string {
  const name = path.split("/").findLast((part) => part !== "") ?? "";
  return `inline;filename=${/^[\w.+@=~-]*$/.test(name) ? name : encodeURIComponent(name)}`;
}
