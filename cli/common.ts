/** The part of the client for every call that is not of a smaller part. */
import { partOf } from "./part.ts";
import { COMMON_COMMANDS } from "./registry_common.ts";

/** @returns the exit status. */
export const main = partOf(COMMON_COMMANDS);
