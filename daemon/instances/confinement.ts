/**
 * The walls around an instance that the kernel is told: its AppArmor profile, and which system calls the
 * helper does for it. Made before its start, replaced live, taken down after its end.
 */
import { appArmorProfile, profileName } from "#daemon/security/apparmor.ts";
import { loadProfile, type ProfileFiles, unloadProfile } from "#daemon/security/apparmor_load.ts";
import { interceptedCalls, interceptionPolicy, seccompPolicy } from "#daemon/security/seccomp.ts";
import type { HostPath } from "#base/brand.ts";
import { createHash } from "node:crypto";
import { type InstanceContext, lxcName } from "./context.ts";
import type { Config, InstanceRecord } from "./record.ts";
import { isTrue } from "#base/units.ts";
import { removeIfThere } from "#daemon/host/files.ts";

type Named = Pick<InstanceRecord, "project" | "name">;

function filesOf(ctx: InstanceContext, instance: Named): ProfileFiles {
  return { directory: ctx.paths.at("security", "apparmor"), file: `lxd-${lxcName(instance)}` };
}

function nameOf(ctx: InstanceContext, instance: Named): string {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  return profileName(lxcName(instance), ctx.paths.root, hash);
}

/** @returns the name for liblxc; undefined where the kernel has no AppArmor. */
export async function confine(
  ctx: InstanceContext,
  instance: Named,
  config: Config,
): Promise<string | undefined> {
  if (!ctx.facts.hasAppArmor) return undefined;
  const name = nameOf(ctx, instance);
  const isPrivileged = isTrue(config["security.privileged"]);
  await loadProfile(filesOf(ctx, instance), appArmorProfile({ name, config, isPrivileged }));
  return name;
}

/**
 * Which system calls it has: liblxc reads the file at the start, and whenever somebody attaches to it.
 *
 * @returns the file; undefined without a filter.
 */
export async function filterCalls(
  ctx: InstanceContext,
  instance: Named,
  config: Config,
): Promise<HostPath | undefined> {
  const policy = seccompPolicy(config);
  if (policy === undefined) return undefined;
  const file = filterFile(ctx, instance);
  await Deno.writeTextFile(file, policy, { mode: 0o600 });
  return file;
}

/**
 * What the helper may do for the container is a file, so that a change counts at once.
 *
 * @returns where its intercepted calls go; undefined without any.
 */
export async function intercept(
  ctx: InstanceContext,
  instance: Named,
  config: Config,
): Promise<{ socket: HostPath; policy: HostPath } | undefined> {
  if (interceptedCalls(config).length === 0) return undefined;
  await ctx.interception.ensure();
  const policy = policyFile(ctx, instance);
  await Deno.writeTextFile(policy, interceptionPolicy(config), { mode: 0o600 });
  return { socket: ctx.interception.socket, policy };
}

function filterFile(ctx: InstanceContext, instance: Named): HostPath {
  return ctx.paths.at("security", "seccomp", lxcName(instance));
}

function policyFile(ctx: InstanceContext, instance: Named): HostPath {
  return ctx.paths.at("security", "seccomp", `${lxcName(instance)}.calls`);
}

/** Idempotent. */
export async function unconfine(ctx: InstanceContext, instance: Named): Promise<void> {
  for (const file of [policyFile(ctx, instance), filterFile(ctx, instance)]) {
    await removeIfThere(file);
  }
  if (ctx.facts.hasAppArmor) await unloadProfile(filesOf(ctx, instance));
}
