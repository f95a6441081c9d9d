/** Start an instance: facts and configuration become a plan, the plan is applied step by step. */
import { type HostPath, hostPath, pid as brandPid } from "#base/brand.ts";
import { ExecError, Fault, messageOf } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { isTrue } from "#base/units.ts";
import { containerPaths } from "#daemon/cgroup/layout.ts";
import { findInstanceById, patchInstanceConfig, setLastUsed } from "#daemon/db/instances.ts";
import type { DeviceStart } from "#daemon/devices/device.ts";
import { requireType, startOrder } from "#daemon/devices/registry.ts";
import { missingVolumeSnapshots } from "#daemon/db/volume_snapshots.ts";
import { expectMove } from "#daemon/cgroup/expect_move.ts";
import { renameIfThere } from "#daemon/host/files.ts";
import { runHelper } from "#daemon/host/helper.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { toHost } from "#daemon/idmap/format.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { Container } from "#ffi/liblxc/container.ts";
import { deniesCompat } from "#daemon/security/seccomp.ts";
import { saveBackupYaml } from "./backup_yaml.ts";
import { checkpointOf, forgetState, runCriu } from "./checkpoint.ts";
import {
  announce,
  type InstanceContext,
  lockInstance,
  lxcName,
  lxcPath,
  volumeOf,
} from "./context.ts";
import { confine, filterCalls, intercept, unconfine } from "./confinement.ts";
import { cpusetAtStart, rebalance } from "./cpus.ts";
import { deviceHost, deviceOf, VolatileChanges } from "./device_host.ts";
import { diskLimitLines } from "./disk_limits.ts";
import { chooseMap, shiftForStart } from "./id_maps.ts";
import { loadModules } from "./kernel_modules.ts";
import { lastErrors } from "./lxc_log.ts";
import { checkImageNeeds } from "./host_rules.ts";
import { assertAllowed } from "./machine.ts";
import { applyNetworkPriority } from "./network_priority.ts";
import { findNvidiaTools, nvidiaLines } from "./nvidia.ts";
import { lxcConfig } from "./plan.ts";
import type { InstanceRecord } from "./record.ts";
import type { Running } from "./runtime.ts";
import { parentOf } from "#ffi/libc/process.ts";
import { scheduleOf, snapshotAtStartup } from "./take_snapshot.ts";
import { applyTemplates, type Trigger } from "./templates.ts";

export interface StartOptions {
  readonly caller?: Caller;
  readonly signal?: AbortSignal;
  /** "restarted" instead of "started" in the event. */
  readonly isRestart?: boolean;
  /** It goes on from its running state that was saved there. */
  readonly checkpoint?: HostPath;
}

/** @throws {Fault} bad_request if it runs already, or with the reason of liblxc's log. */
export async function startInstance(
  ctx: InstanceContext,
  instance: { readonly id: number },
  options: StartOptions = {},
): Promise<void> {
  using _held = await lockInstance(ctx, instance, options.signal);
  await startLocked(ctx, instance.id, options);
}

/** From the running state that was saved at its stop. @throws {Fault} bad_request, with CRIU's reason */
export async function startStateful(
  ctx: InstanceContext,
  instance: { readonly id: number },
  options: StartOptions,
): Promise<void> {
  using _held = await lockInstance(ctx, instance, options.signal);
  const record = await ctx.db.read((tx) => findInstanceById(tx, instance.id));
  if (record?.isStateful !== true) {
    throw new Fault("bad_request", "Instance has no existing state to restore");
  }
  await startLocked(ctx, record.id, { ...options, checkpoint: checkpointOf(ctx, record.id) });
}

/** The same with the instance's lock held. */
export async function startLocked(
  ctx: InstanceContext,
  id: number,
  options: StartOptions,
): Promise<void> {
  const record = await ctx.db.read((tx) => findInstanceById(tx, id));
  if (record === undefined || record.isHalfMade) throw new Fault("not_found", "Instance not found");
  assertAllowed(ctx.runtime.state(id), "start");
  checkImageNeeds(ctx.facts.layout, record.expandedConfig);
  await assertVolumeRecords(ctx, record);
  if (scheduleOf(record).atStartup) await snapshotAtStartup(ctx, record);
  ctx.runtime.set(id, { status: "starting" });
  await using undo = new Undo((step, error) => ctx.onError(`undo of start: ${step}`, error));
  undo.add("forget the state", () => ctx.runtime.stopped(id));

  const volatile = new VolatileChanges(record.config);
  // Before the first effect: after a crash the next daemon knows that there is something to clean up.
  await ctx.db.write((tx) =>
    patchInstanceConfig(tx, id, { "volatile.last_state.power": "RUNNING" })
  );
  undo.add(
    "mark as stopped",
    () => {
      // What devices kept of their run they have taken back by now.
      const now = { ...volatile.changes, "volatile.last_state.power": "STOPPED" };
      return ctx.db.write((tx) => patchInstanceConfig(tx, id, now));
    },
  );
  const idmap = await chooseMap(ctx, record, volatile);
  const diskMap = await shiftForStart(ctx, record, { idmap, signal: options.signal });
  // CRIU wants its files as they were.
  if (options.checkpoint === undefined) {
    await applyTemplates(ctx, record, { triggers: triggersOf(record), diskMap });
  }
  await loadModules(record.expandedConfig);
  const volume = volumeOf(record);
  undo.add("show the root as stopped", () => ctx.storage.instances.presentStopped(volume));
  const root = await ctx.storage.instances.present(volume, {
    idmap,
    plainRoot: isTrue(record.expandedConfig["security.nesting"]),
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  await closeDirectory(ctx.storage.instances.directory(volume), idmap);
  const starts = await startDevices(ctx, record, { volatile, idmap, undo });
  undo.add("take the walls down", () => unconfine(ctx, record));
  const appArmorProfile = await confine(ctx, record, record.expandedConfig);
  const config = await writeFiles(ctx, record, { idmap, root, starts, appArmorProfile });
  volatile.set({
    "volatile.apply_template": undefined,
    "volatile.uuid": volatile.get("volatile.uuid") ?? crypto.randomUUID(),
  });
  await ctx.db.write(async (tx) => {
    await patchInstanceConfig(tx, id, volatile.changes);
    await setLastUsed(tx, id, new Date().toISOString());
  });
  const running = await launch(ctx, record, config, options);
  undo.add("stop the container", () => killContainer(ctx, record));
  for (const start of starts) await start.afterStart?.(running.pid);
  undo.keep();
  ctx.runtime.started(id, running);
  if (record.isStateful) await forgetState(ctx, id);
  await applyNetworkPriority(ctx, id, record.expandedConfig);
  announce(ctx, options.isRestart === true ? "restarted" : "started", record, options);
  void afterwards(ctx, id);
}

/** What nobody has to wait for. */
async function afterwards(ctx: InstanceContext, id: number): Promise<void> {
  try {
    await rebalance(ctx);
    await saveBackupYaml(ctx, id);
  } catch (error) {
    ctx.onError("after the start of an instance", error);
  }
}

/** backup.yaml describes each snapshot twice; with half of it gone a recovery would go wrong. */
async function assertVolumeRecords(ctx: InstanceContext, record: InstanceRecord): Promise<void> {
  const missing = (await ctx.db.read((tx) => missingVolumeSnapshots(tx, record.id)))[0];
  if (missing === undefined) return;
  throw new Fault(
    "internal",
    `cannot start instance "${record.name}": the database has no volume records of its snapshots ` +
      missing.names.join(", "),
    { hint: "The daemon repairs them at its next start." },
  );
}

/** Only the container's root may pass: a set-uid program inside is no business of users of the host. */
async function closeDirectory(directory: HostPath, idmap: IdMap | null): Promise<void> {
  await Deno.chown(directory, toHost(idmap, "uid", 0), toHost(idmap, "gid", 0));
  await Deno.chmod(directory, 0o100);
}

function triggersOf(record: InstanceRecord): Trigger[] {
  const applied = record.config["volatile.apply_template"] ?? "";
  const isKnown = applied === "create" || applied === "copy" || applied === "rename";
  return isKnown ? [applied, "start"] : ["start"];
}

async function startDevices(
  ctx: InstanceContext,
  record: InstanceRecord,
  options: { volatile: VolatileChanges; idmap: IdMap | null; undo: Undo },
): Promise<DeviceStart[]> {
  const host = deviceHost(ctx, record, options);
  const starts: DeviceStart[] = [];
  for (const [name, config] of startOrder(record.expandedDevices)) {
    const type = requireType(ctx.types, name, config);
    try {
      starts.push(await type.start(deviceOf(ctx, host, name, config), options.undo));
    } catch (error) {
      if (error instanceof Fault && error.message.includes(`"${name}"`)) throw error;
      throw new Fault(
        error instanceof Fault ? error.kind : "internal",
        `Failed to start device "${name}": ${messageOf(error)}`,
        {
          cause: error,
          ...error instanceof Fault && error.hint !== undefined && { hint: error.hint },
        },
      );
    }
  }
  return starts;
}

async function writeFiles(
  ctx: InstanceContext,
  record: InstanceRecord,
  options: {
    idmap: IdMap | null;
    root: { path: HostPath; lxcIdmap: boolean };
    starts: readonly DeviceStart[];
    appArmorProfile: string | undefined;
  },
): Promise<HostPath> {
  const logs = ctx.paths.instanceLogs(record.project, record.name);
  await Deno.mkdir(logs, { recursive: true, mode: 0o700 });
  await renameIfThere(`${logs}/lxc.log`, `${logs}/lxc.log.old`);
  expectMove();
  const seccompProfile = await filterCalls(ctx, record, record.expandedConfig);
  const text = lxcConfig({
    name: record.name,
    architecture: record.architecture,
    config: record.expandedConfig,
    facts: ctx.facts,
    idmap: options.idmap,
    root: options.root,
    logs,
    appArmorProfile: options.appArmorProfile,
    interception: await intercept(ctx, record, record.expandedConfig),
    seccompProfile,
    devlxd: devlxdDirectory(ctx, record),
    stopHook: [ctx.helper, "hook", ctx.socket, `/internal/containers/${record.id}/onstop`],
    cpuset: await cpusetAtStart(ctx, record),
    devices: [
      ...options.starts,
      { lxc: diskLimitLines(ctx, record) },
      { lxc: nvidiaLines(record, await findNvidiaTools()) },
    ],
  });
  const path = hostPath(`${logs}/lxc.conf`);
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  return path;
}

function devlxdDirectory(ctx: InstanceContext, record: InstanceRecord): HostPath | undefined {
  if (record.expandedConfig["security.devlxd"] === "false") return undefined;
  try {
    Deno.lstatSync(ctx.paths.at("devlxd", "sock"));
    return ctx.paths.at("devlxd");
  } catch {
    return undefined; // Ignored: not served.
  }
}

/** Run liblxc's start in the helper; on failure say what its log says. */
async function launch(
  ctx: InstanceContext,
  record: InstanceRecord,
  config: HostPath,
  { checkpoint, signal }: StartOptions,
): Promise<Running> {
  const name = lxcName(record);
  expectMove();
  try {
    if (checkpoint !== undefined) {
      await runCriu(ctx, "restore", record, checkpoint);
      return await findRunning(ctx, record);
    }
    const native = deniesCompat(record.expandedConfig) ? ["native"] : [];
    await runHelper(ctx.helper, ["start", lxcPath(ctx), name, config, ...native], {
      discardOutput: true,
      ...(signal !== undefined && { signal }),
    });
    return await findRunning(ctx, record);
  } catch (error) {
    await killContainer(ctx, record);
    if (!(error instanceof ExecError)) throw error;
    const logs = ctx.paths.instanceLogs(record.project, record.name);
    const why = await lastErrors(`${logs}/lxc.log`);
    throw new Fault(
      "internal",
      `cannot start instance "${record.name}": ${why === "" ? error.message : why}`,
      { cause: error, hint: `lxc info --show-log ${record.name}` },
    );
  }
}

/** Pids and cgroups of a container that runs. @throws {Fault} internal if it ended at once. */
export async function findRunning(
  ctx: InstanceContext,
  record: { readonly project: string; readonly name: string },
): Promise<Running> {
  using container = new Container(lxcName(record), lxcPath(ctx));
  const initPid = await container.initPid();
  if (initPid === undefined) throw endedAtOnce(record.name);
  const pid = brandPid(initPid);
  try {
    const cgroups = containerPaths(
      ctx.facts.layout,
      await Deno.readTextFile(`/proc/${pid}/cgroup`),
    );
    // liblxc's monitor is the parent of init.
    const monitor = parentOf(pid);
    if (monitor === undefined) throw endedAtOnce(record.name);
    return { pid, monitor, cgroups };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw endedAtOnce(record.name);
    throw error;
  }
}

function endedAtOnce(name: string): Fault {
  return new Fault("internal", `cannot start instance "${name}": its init ended at once`, {
    hint: `lxc console --show-log ${name}`,
  });
}

/** Make sure that nothing of a container lives on. Idempotent. */
async function killContainer(
  ctx: InstanceContext,
  record: { readonly project: string; readonly name: string },
): Promise<void> {
  using container = new Container(lxcName(record), lxcPath(ctx));
  const initPid = await container.initPid();
  if (initPid !== undefined) await container.stop();
}
