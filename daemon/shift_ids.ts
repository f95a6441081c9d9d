/** What is behind `lxd fuidshift`: the helper does the work, without a daemon. */
import { Fault } from "#base/errors.ts";
import type { Program, ShiftOptions } from "#base/program.ts";
import { fd } from "#base/brand.ts";
import { exists } from "#daemon/host/files.ts";
import { memoryFile } from "#ffi/libc/fd.ts";
import { reap, spawn } from "#ffi/libc/process.ts";
import { normalize } from "node:path";
import { parseRanges } from "./idmap/ranges.ts";

const SIGNALLED = 128;

/** Shift a tree; the helper speaks for itself. @throws {Fault} bad_request, not_found */
export async function shiftIds(program: Program, options: ShiftOptions): Promise<number> {
  const { directory, isReverse, isTest } = options;
  const ranges = parseRanges(options.ranges).flatMap(({ isUid, isGid, nsId, hostId, size }) => {
    return [isUid && isGid ? "b" : isUid ? "u" : "g", `${nsId}`, `${hostId}`, `${size}`];
  });
  const path = cleaned(directory);
  if (!await exists(path)) {
    throw new Fault("not_found", `No such file or directory: ${JSON.stringify(directory)}`);
  }
  // No folder is sure to be there in which programs may be written and run.
  using helper = memoryFile("helper", await program.helper());
  const streams = [fd(0), fd(1), fd(2)];
  const child = spawn([
    `/proc/self/fd/${streams.length}`,
    "shift",
    path,
    isReverse ? "out" : "into",
    isTest ? "test" : "change",
    ...ranges,
  ], { fds: [...streams, helper.fd] });
  const status = reap(child);
  return status.kind === "exit" ? status.code : SIGNALLED + status.signal;
}

/** As LXD shows it: without "./" in front and "/" behind. */
function cleaned(path: string): string {
  const normal = normalize(path);
  return normal === "/" ? normal : normal.replace(/\/$/, "");
}
