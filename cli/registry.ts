/** Every command, as one table. Help, completion and typo hints derive from it. */
import type { Command } from "./command.ts";
import { ACTIVATE_COMMANDS } from "./commands/activate.ts";
import { CLUSTER_COMMANDS } from "./commands/cluster.ts";
import { DELETE_COMMANDS } from "./commands/delete.ts";
import { SERVER_INIT_COMMANDS } from "./commands/init/init.ts";
import { RENAME_COMMANDS } from "./commands/rename.ts";
import { SERVER_LIFE_COMMANDS } from "./commands/server_life.ts";
import { SQL_COMMANDS } from "./commands/sql.ts";
import { VERSION_COMMANDS } from "./commands/version.ts";

export const COMMANDS: readonly Command[] = [
  ...ACTIVATE_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...DELETE_COMMANDS,
  ...RENAME_COMMANDS,
  ...SERVER_INIT_COMMANDS,
  ...SERVER_LIFE_COMMANDS,
  ...SQL_COMMANDS,
  ...VERSION_COMMANDS,
];
