/** The AppArmor profile of an instance: loaded before its start, replaced live, unloaded after its end. */
import { appArmorProfile, profileName } from "#daemon/security/apparmor.ts";
import { loadProfile, type ProfileFiles, unloadProfile } from "#daemon/security/apparmor_load.ts";
import { createHash } from "node:crypto";
import { type InstanceContext, lxcName } from "./context.ts";
import type { Config, InstanceRecord } from "./record.ts";
import { isTrue } from "#base/units.ts";

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

/** Idempotent. */
export async function unconfine(ctx: InstanceContext, instance: Named): Promise<void> {
  if (ctx.facts.hasAppArmor) await unloadProfile(filesOf(ctx, instance));
}
