/** Paths of `lxc file`: `[<remote>:]<instance>/<path>`. Pure. */

export interface GuestPath {
  /** `[<remote>:]<instance>`. */
  readonly label: string;
  /** Absolute, without "." and "..", ending in "/" if it was typed so. */
  readonly path: string;
}

/** @throws if there is no slash behind the instance. */
export function parseGuestPath(text: string, problem = "Invalid path"): GuestPath {
  const slash = text.indexOf("/");
  if (slash <= 0) throw new Error(`${problem} ${text}`);
  return { label: text.slice(0, slash), path: cleanPath(text.slice(slash)) };
}

/** Collapse "//", "." and ".."; a slash (or "/.") at the end stays one. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  const end = parts.length > 0 && /\/\.?$/.test(path) ? "/" : "";
  return `/${parts.join("/")}${end}`;
}

/** "/a/b/" -> "b". */
export function baseName(path: string): string {
  return path.replace(/\/+$/, "").split("/").at(-1) ?? "";
}

/** "/a/b/c" -> "/a/b"; "c" -> ".". */
export function parentOf(path: string): string {
  const clean = path.replace(/\/+$/, "");
  const slash = clean.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : clean.slice(0, slash);
}

/** "/a/b" and "c" -> "/a/b/c". */
export function joinPath(folder: string, name: string): string {
  return folder.endsWith("/") ? `${folder}${name}` : `${folder}/${name}`;
}

/** "/a/b" -> ["/a", "/a/b"]: the folder itself and those above it, without the root. */
export function folderChain(folder: string): string[] {
  const parts = folder.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

/** Permission bits of "0644", "644" or "0o644". @throws if it is no octal number up to 07777. */
export function parseMode(text: string): number {
  const match = /^0?o?([0-7]{1,4})$/.exec(text);
  if (match === null) throw new Error(`Invalid mode "${text}": want an octal number such as 0644`);
  return parseInt(match[1] ?? "", 8);
}

/** 420 -> "0644", always with the zero that makes it octal. */
export const formatMode = (mode: number) => `0${(mode & 0o7777).toString(8).padStart(3, "0")}`;
