/** Reading /sys: small files of the kernel, answered from its memory. */
import type { Uevent } from "#daemon/host/uevents.ts";
import type { HostNode } from "./node.ts";

/** Trimmed; "" if it is not there. */
export function readSysfs(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return ""; // Ignored: devices go at any moment, and not all have all files.
  }
}

/** Names in a directory, sorted; none if it is not there. */
export function listNames(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch {
    return []; // Ignored: this host has no device of that kind.
  }
}

/** The node that a `uevent` file describes: MAJOR, MINOR and DEVNAME. Pure. */
export function nodeOfUevent(text: string, letter: "b" | "c"): HostNode | undefined {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
  const [major, minor, name] = [value("MAJOR"), value("MINOR"), value("DEVNAME")];
  if (major === "" || minor === "" || name === "") return undefined;
  return { letter, major: Number(major), minor: Number(minor), path: `/dev/${name}` };
}

/** The node of the device that an event tells of. Pure. */
export function nodeOfEvent(event: Uevent): HostNode | undefined {
  return nodeOfUevent(event.join("\n"), event.includes("SUBSYSTEM=block") ? "b" : "c");
}
