/** Every command, as one table. Help, completion and typo hints derive from it. */
import type { Command } from "./command.ts";
import { ACTIVATE_COMMANDS } from "./commands/activate.ts";
import { BACKUP_COMMANDS } from "./commands/backup.ts";
import { CLUSTER_COMMANDS } from "./commands/cluster.ts";
import { completionCommands } from "./commands/completion.ts";
import { CONFIG_COMMANDS } from "./commands/config/config.ts";
import { CONFIG_EDIT_COMMANDS } from "./commands/config/edit.ts";
import { deviceCommands } from "./commands/config/devices.ts";
import { manpageCommands } from "./commands/manpage.ts";
import { METADATA_COMMANDS, TEMPLATE_COMMANDS } from "./commands/config/metadata.ts";
import { CONSOLE_COMMANDS } from "./commands/console.ts";
import { COPY_COMMANDS } from "./commands/copy/copy.ts";
import { CREATE_COMMANDS } from "./commands/create/create.ts";
import { DELETE_COMMANDS } from "./commands/delete.ts";
import { EXEC_COMMANDS } from "./commands/exec.ts";
import { FILE_COMMANDS } from "./commands/file/file.ts";
import { FUIDSHIFT_COMMANDS } from "./commands/fuidshift.ts";
import { IMAGE_COMMANDS } from "./commands/image/image.ts";
import { INFO_COMMANDS } from "./commands/info/info.ts";
import { SERVER_INIT_COMMANDS } from "./commands/init/init.ts";
import { LIST_COMMANDS } from "./commands/list/list.ts";
import { MONITOR_COMMANDS } from "./commands/monitor.ts";
import { NETCAT_COMMANDS } from "./commands/netcat.ts";
import { NETWORK_COMMANDS } from "./commands/network/network.ts";
import { OPENAPI_COMMANDS } from "./commands/openapi.ts";
import { OPERATION_COMMANDS } from "./commands/operation.ts";
import { PROFILE_COMMANDS } from "./commands/profile.ts";
import { PROJECT_COMMANDS } from "./commands/project.ts";
import { PUBLISH_COMMANDS } from "./commands/publish.ts";
import { QUERY_COMMANDS } from "./commands/query.ts";
import { RECOVER_COMMANDS } from "./commands/recover.ts";
import { REMOTE_COMMANDS } from "./commands/remote/remote.ts";
import { REBUILD } from "./commands/rebuild.ts";
import { RENAME_COMMANDS } from "./commands/rename.ts";
import { SERVER_LIFE_COMMANDS } from "./commands/server_life.ts";
import { SNAPSHOT_COMMANDS } from "./commands/snapshot.ts";
import { SQL_COMMANDS } from "./commands/sql.ts";
import { STATE_COMMANDS } from "./commands/state.ts";
import { STORAGE_COMMANDS } from "./commands/storage/storage.ts";
import { VOLUME_COMMANDS } from "./commands/storage/volume.ts";
import { VOLUME_BACKUP_COMMANDS } from "./commands/storage/volume_backup.ts";
import { VOLUME_COPY_COMMANDS } from "./commands/storage/volume_copy.ts";
import { TRUST_COMMANDS } from "./commands/trust/trust.ts";
import { USER_ALIAS_COMMANDS } from "./commands/alias.ts";
import { VERSION_COMMANDS } from "./commands/version.ts";
import { WARNING_COMMANDS } from "./commands/warning.ts";

export const COMMANDS: readonly Command[] = [
  ...ACTIVATE_COMMANDS,
  ...BACKUP_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...completionCommands(() => COMMANDS),
  ...CONFIG_COMMANDS,
  ...CONFIG_EDIT_COMMANDS,
  ...CONSOLE_COMMANDS,
  ...COPY_COMMANDS,
  ...CREATE_COMMANDS,
  ...DELETE_COMMANDS,
  ...EXEC_COMMANDS,
  ...FILE_COMMANDS,
  ...FUIDSHIFT_COMMANDS,
  ...IMAGE_COMMANDS,
  ...INFO_COMMANDS,
  ...LIST_COMMANDS,
  ...manpageCommands(() => COMMANDS),
  ...METADATA_COMMANDS,
  ...MONITOR_COMMANDS,
  ...NETCAT_COMMANDS,
  ...NETWORK_COMMANDS,
  ...OPENAPI_COMMANDS,
  ...OPERATION_COMMANDS,
  ...PROFILE_COMMANDS,
  ...PROJECT_COMMANDS,
  ...PUBLISH_COMMANDS,
  ...QUERY_COMMANDS,
  ...RECOVER_COMMANDS,
  ...REMOTE_COMMANDS,
  REBUILD,
  ...RENAME_COMMANDS,
  ...SERVER_INIT_COMMANDS,
  ...SERVER_LIFE_COMMANDS,
  ...SNAPSHOT_COMMANDS,
  ...SQL_COMMANDS,
  ...STATE_COMMANDS,
  ...STORAGE_COMMANDS,
  ...VOLUME_COMMANDS,
  ...VOLUME_BACKUP_COMMANDS,
  ...VOLUME_COPY_COMMANDS,
  ...TEMPLATE_COMMANDS,
  ...TRUST_COMMANDS,
  ...USER_ALIAS_COMMANDS,
  ...VERSION_COMMANDS,
  ...WARNING_COMMANDS,
  // An old place of theirs that scripts still use.
  ...PROFILE_COMMANDS.map((row) => ({ ...row, name: `config ${row.name}`, uncommon: true })),
  ...deviceCommands({ prefix: "config device", noun: "instance" }),
];
