/** Log files of instances. */
import { deleteInstanceLog, getInstanceLog, getInstanceLogs } from "#api/routes/instance_files.ts";
import { Fault } from "#base/errors.ts";
import { entries } from "#daemon/host/files.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import { sendFile } from "#daemon/http/send_file.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import type { Services } from "#daemon/services.ts";

/** Others are none of the client's business, or have routes of their own (console.log). */
const SHOWN = /^(lxc\.(log|conf)(\.old)?|(exec|migration|snapshot)_[\w.-]+)$/;

export default [
  handle(getInstanceLogs, async (services, { params, query }) => {
    const { record, logs } = await services.instances.running.find(query.project, params.name);
    const names = await entries(logs); // None if it never ran.
    return sync(names.filter((name) => SHOWN.test(name)).map((name) => logUrl(record, name)));
  }),
  handle(getInstanceLog, async (services, { params, query, caller }) => {
    const file = checkName(params.file);
    const { record, logs } = await services.instances.running.find(query.project, params.name);
    return {
      kind: "raw",
      send: async (response) => {
        const missing = `Log file "${file}" not found`;
        // liblxc has nothing to tell of one that never ran.
        await sendFile(response, `${logs}/${file}`, {
          missing,
          isEmptyIfMissing: file === "lxc.log",
        });
        announce(services, { record, file, caller, what: "retrieved" });
      },
    };
  }),
  handle(deleteInstanceLog, async (services, { params, query, caller }) => {
    const file = checkName(params.file);
    const { record, logs } = await services.instances.running.find(query.project, params.name);
    if (file === "lxc.log" || file === "lxc.conf") {
      throw new Fault("bad_request", "lxc.log and lxc.conf may not be deleted");
    }
    try {
      await Deno.remove(`${logs}/${file}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Fault("not_found", `Log file "${file}" not found`, { cause: error });
    }
    announce(services, { record, file, caller, what: "deleted" });
    return sync();
  }),
] satisfies BoundRoute[];

function checkName(file: string): string {
  if (!SHOWN.test(file)) throw new Fault("bad_request", `log file name ${file} not valid`);
  return file;
}

function logUrl({ project, name }: InstanceRecord, file: string): string {
  return `/1.0/instances/${name}/logs/${file}${projectSuffix(project)}`;
}

function announce(
  services: Services,
  event: {
    readonly record: InstanceRecord;
    readonly file: string;
    readonly caller: Caller;
    readonly what: "retrieved" | "deleted";
  },
): void {
  services.events.lifecycle({
    action: `instance-log-${event.what}`,
    source: logUrl(event.record, event.file),
    project: event.record.project,
    caller: event.caller,
  });
}
