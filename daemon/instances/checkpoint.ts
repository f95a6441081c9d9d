/**
 * The running state of containers, written and read by CRIU, with liblxc between. It lies in
 * `checkpoints/<id of the instance>/<id of the snapshot, or "now">`: it follows every rename, and a copy
 * has none. Whether there is one the rows say; a folder without such a row is rubbish.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import { findInstanceById, updateInstance } from "#daemon/db/instances.ts";
import { listSnapshots } from "#daemon/db/instances_snapshots.ts";
import { criuRefusal } from "#daemon/host/criu.ts";
import { removeTree } from "#daemon/host/files.ts";
import { runHelper } from "#daemon/host/helper.ts";
import { type InstanceContext, lxcName, lxcPath } from "./context.ts";
import { lastErrors } from "./lxc_log.ts";
import { assertAllowed } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";

/** Of a stopped instance, or of a snapshot. */
export function checkpointOf(ctx: InstanceContext, id: number, snapshot?: number): HostPath {
  return ctx.paths.at("checkpoints", `${id}`, snapshot === undefined ? "now" : `${snapshot}`);
}

/** All of an instance, those of its snapshots too. Idempotent. */
export async function removeCheckpoints(ctx: InstanceContext, id: number): Promise<void> {
  await removeTree(ctx.paths.at("checkpoints", `${id}`));
}

/** One of them. Idempotent. */
export async function removeCheckpoint(directory: HostPath): Promise<void> {
  await removeTree(directory);
}

/** Remove what a crash left: folders without a row that tells of them. */
export async function sweepCheckpoints(
  ctx: InstanceContext,
  instances: readonly InstanceRecord[],
): Promise<void> {
  const snapshots = await ctx.db.read((tx) => listSnapshots(tx, instances));
  const kept = new Set(instances.flatMap(({ id, isStateful }) => [
    ...(isStateful ? [checkpointOf(ctx, id)] : []),
    ...(snapshots.get(id) ?? []).filter((one) => one.isStateful)
      .map((one) => checkpointOf(ctx, id, one.id)),
  ]));
  const top = ctx.paths.at("checkpoints");
  for await (const { name } of Deno.readDir(top)) {
    for await (const one of Deno.readDir(`${top}/${name}`)) {
      const path = hostPath(`${top}/${name}/${one.name}`);
      if (!kept.has(path)) await removeTree(path);
    }
  }
}

/** A stopped instance starts from its files from now on. */
export async function forgetState(ctx: InstanceContext, id: number): Promise<void> {
  const record = await ctx.db.read((tx) => findInstanceById(tx, id));
  if (record?.isStateful !== true) return;
  await ctx.db.write((tx) => updateInstance(tx, id, { isStateful: false }));
  await removeCheckpoint(checkpointOf(ctx, id));
}

/** With a console liblxc saves it, and then does not restore it. */
const NO_CONSOLE = /^\s*lxc\.console\.path\s*=\s*none\s*$/m;

/** @throws {Fault} bad_request if its running state can't be saved whatever is tried. */
export async function assertDumpable(
  ctx: InstanceContext,
  record: InstanceRecord,
  what: string,
): Promise<void> {
  const state = ctx.runtime.state(record.id);
  if (state.status === "stopped") {
    throw new Fault("bad_request", `Unable to ${what}. The instance isn't running`);
  }
  assertAllowed(state, "stop");
  if (state.status !== "running") {
    throw new Fault("bad_request", `Unable to ${what}. The instance is ${state.status}`, {
      hint: `lxc start ${record.name}`,
    });
  }
  if (!isTrue(record.expandedConfig["security.privileged"])) {
    // Its root is mounted with ids mapped, which CRIU 3.17 does not put back: it runs, and can't write.
    throw new Fault("bad_request", `Unable to ${what}. CRIU saves privileged containers only`, {
      hint: "It needs security.privileged=true from its start, see the documentation of instances.",
    });
  }
  if (!NO_CONSOLE.test(record.expandedConfig["raw.lxc"] ?? "")) {
    throw new Fault("bad_request", `Unable to ${what}. CRIU can't put its console back`, {
      hint: `lxc config set ${record.name} raw.lxc "lxc.console.path = none", and restart it`,
    });
  }
  const why = await criuRefusal();
  if (why === undefined) return;
  throw new Fault("bad_request", `Unable to ${what}. ${why}`, {
    hint: "Leave --stateful out: files, configuration and devices are saved without.",
  });
}

/**
 * Write the running state into an empty directory.
 *
 * @param then "stop": its processes end with that; "freeze": they stand still, and the caller thaws
 *   them, also if this fails.
 * @throws {Fault} bad_request with CRIU's words; it runs on, and the directory is gone.
 */
export async function dump(
  ctx: InstanceContext,
  record: InstanceRecord,
  directory: HostPath,
  then: "stop" | "freeze",
): Promise<void> {
  await removeTree(directory);
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const how = then === "stop" ? ["stop"] : ["leave", await freezeScript(ctx, record, directory)];
  try {
    await runCriu(ctx, "dump", record, directory, how);
  } catch (error) {
    await removeTree(directory);
    throw error;
  }
}

/** It stands still before CRIU lets it go on: files stay as its memory knows them. */
async function freezeScript(
  ctx: InstanceContext,
  record: InstanceRecord,
  directory: HostPath,
): Promise<HostPath> {
  const cgroups = ctx.runtime.cgroups(record.id);
  const v1 = cgroups.get("freezer");
  const [file, value] = v1 === undefined
    ? [`${cgroups.get("") ?? ""}/cgroup.freeze`, "1"]
    : [`${v1}/freezer.state`, "FROZEN"];
  const path = hostPath(`${directory}/freeze.sh`);
  const quoted = `'${file.replaceAll("'", `'\\''`)}'`;
  await Deno.writeTextFile(
    path,
    `#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || echo ${value} >${quoted}\n`,
  );
  await Deno.chmod(path, 0o700);
  return path;
}

/** @throws {Fault} bad_request with CRIU's words, or liblxc's where it did not get to CRIU. */
export async function runCriu(
  ctx: InstanceContext,
  verb: "dump" | "restore",
  record: InstanceRecord,
  directory: HostPath,
  more: readonly string[] = [],
): Promise<void> {
  const logs = ctx.paths.instanceLogs(record.project, record.name);
  // By default it locks connections with programs of iptables, which need not be there.
  const settings = hostPath(`${directory}/criu.conf`);
  await Deno.writeTextFile(settings, "network-lock nftables\n", { mode: 0o600 });
  const args = [lxcPath(ctx), lxcName(record), `${logs}/lxc.conf`, directory, settings, ...more];
  try {
    await runHelper(ctx.helper, [verb, ...args], { discardOutput: true });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    const log = `${logs}/${verb}.log`;
    const said = await keepLog(`${directory}/${verb}.log`, log);
    const why = said || await lastErrors(`${logs}/lxc.log`) || error.message;
    throw new Fault("bad_request", `CRIU can't ${verb} instance "${record.name}": ${why}`, {
      cause: error,
      hint: "Its needs are in the documentation of instances, the whole log in " + log,
    });
  }
}

const MAX_ERRORS = 3;

/** @returns the last errors that the log tells of; "" if there is none. */
async function keepLog(from: string, to: string): Promise<string> {
  let text: string;
  try {
    text = await Deno.readTextFile(from);
    await Deno.writeTextFile(to, text, { mode: 0o600 });
  } catch {
    return ""; // Ignored: it did not get that far.
  }
  return criuErrors(text);
}

/** Lines: "(00.104477) Error (criu/net.c:3071): message". Pure. */
function criuErrors(log: string): string {
  const found: string[] = [];
  for (const line of log.split("\n")) {
    const said = /\bError \([^)]*\): (.*)$/.exec(line)?.[1]?.trim();
    if (said !== undefined && !/^(exited, status=|Dumping FAILED|Restoring FAILED)/.test(said)) {
      found.push(said);
    }
  }
  return found.slice(-MAX_ERRORS).join("; ");
}
