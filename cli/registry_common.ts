/**
 * The commands that are called again and again, besides exec: the part of the client that is
 * evaluated at a start has only these. Whatever is not here, help included, is the business of the
 * whole client.
 */
import type { Command } from "./command.ts";
import { CONFIG_COMMANDS } from "./commands/config/config.ts";
import { CREATE_COMMANDS } from "./commands/create/create.ts";
import { DELETE_COMMANDS } from "./commands/delete.ts";
import { INFO_COMMANDS } from "./commands/info/info.ts";
import { LIST_COMMANDS } from "./commands/list/list.ts";
import { QUERY_COMMANDS } from "./commands/query.ts";
import { STATE_COMMANDS } from "./commands/state.ts";
import { VERSION_COMMANDS } from "./commands/version.ts";

export const COMMON_COMMANDS: readonly Command[] = [
  ...CONFIG_COMMANDS,
  ...CREATE_COMMANDS,
  ...DELETE_COMMANDS,
  ...INFO_COMMANDS,
  ...LIST_COMMANDS,
  ...QUERY_COMMANDS,
  ...STATE_COMMANDS,
  ...VERSION_COMMANDS,
];
