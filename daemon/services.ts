/** What main.ts builds and routes get. Modules below routes take only the parts they need. */
import type { HostPath } from "#base/brand.ts";
import type { Logger } from "#base/log.ts";
import type { ExecServer } from "#daemon/guest/exec_server.ts";
import type { Database } from "#daemon/db/db.ts";
import type { Images } from "#daemon/images/service.ts";
import type { Instances } from "#daemon/instances/service.ts";
import type { Networks } from "#daemon/networks/service.ts";
import type { Events } from "#daemon/operations/events.ts";
import type { Operations } from "#daemon/operations/operation.ts";
import type { Paths } from "#daemon/paths.ts";
import type { Storage } from "#daemon/storage/service.ts";

export interface Services {
  readonly paths: Paths;
  /** The C helper. @see ffi/native/README.md */
  readonly helper: HostPath;
  /** Runs programs in instances. */
  readonly programs: ExecServer;
  readonly log: Logger;
  readonly db: Database;
  readonly events: Events;
  readonly operations: Operations;
  readonly images: Images;
  readonly storage: Storage;
  readonly networks: Networks;
  readonly instances: Instances;
}
