/** The part of the client for `exec` and `shell`, which scripts call in loops. */
import { EXEC_COMMANDS } from "./commands/exec.ts";
import { partOf } from "./part.ts";

/** @returns the exit status. */
export const main = partOf(EXEC_COMMANDS);
