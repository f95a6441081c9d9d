/** Every command, as one table. Help, completion and typo hints derive from it. */
import type { Command } from "./command.ts";
import { DELETE_COMMANDS } from "./commands/delete.ts";
import { RENAME_COMMANDS } from "./commands/rename.ts";

export const COMMANDS: readonly Command[] = [
  ...DELETE_COMMANDS,
  ...RENAME_COMMANDS,
];
