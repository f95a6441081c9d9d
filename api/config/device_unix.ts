/** Keys of `unix-char` and `unix-block` devices. */
import { Fault } from "#base/errors.ts";
import type { DeviceKey } from "./device_disk.ts";
import { boolValue, uint32Value } from "./instance_checks.ts";

export const UNIX_KEYS = {
  "gid": { check: uint32Value, default: "0", summary: "Owner group inside" },
  "major": { check: uint32Value, summary: "Major number; default: that of the host's node" },
  "minor": { check: uint32Value, summary: "Minor number; default: that of the host's node" },
  "mode": { check: octalMode, default: "0660", summary: "Mode inside" },
  "path": { summary: "Path inside; one of source and path is needed" },
  "required": { check: boolValue, default: "true", summary: "Refuse to start without it" },
  "source": { summary: "Path on the host" },
  "uid": { check: uint32Value, default: "0", summary: "Owner inside" },
} as const satisfies Record<string, DeviceKey>;

/** For files: up to four octal digits, with or without a 0 before them. @throws {Fault} bad_request */
export function octalMode(value: string): void {
  if (!/^0?[0-7]{1,4}$/.test(value)) {
    throw new Fault("bad_request", `invalid value "${value}": want an octal mode such as 0660`);
  }
}
