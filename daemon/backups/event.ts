/** Lifecycle events of the backups of instances. */
import type { Caller } from "#daemon/http/caller.ts";
import { backupUrl } from "#daemon/instances/context.ts";
import type { Events } from "#daemon/operations/events.ts";

/** "instance-backup-<action>", as LXD tells it. */
export function backupEvent(
  events: Events,
  action: "created" | "renamed" | "deleted" | "retrieved",
  { instance, name, caller, context }: {
    readonly instance: { readonly project: string; readonly name: string };
    /** Of the backup. */
    readonly name: string;
    /** undefined: nobody asked, its time is over. */
    readonly caller: Caller | undefined;
    readonly context?: Readonly<Record<string, unknown>>;
  },
): void {
  events.lifecycle({
    action: `instance-backup-${action}`,
    source: backupUrl(instance, name),
    project: instance.project,
    ...(caller !== undefined && { caller }),
    ...(context !== undefined && { context }),
  });
}
