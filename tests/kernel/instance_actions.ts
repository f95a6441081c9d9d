/** What the tests of instances do most: make, start, change, look inside. */
import { guestPath } from "#base/brand.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import assert from "node:assert/strict";
import type { World } from "./instance_world.ts";

export const get = (world: World, name: string) => world.actions.get("default", name);

export async function make(world: World, name: string, body = {}): Promise<InstanceRecord> {
  const source = { type: "image", alias: "busybox" };
  const plan = await world.actions.planCreation("default", { name, source, ...body });
  await world.actions.create(plan, {});
  return await get(world, name);
}

export async function launch(world: World, name: string, body = {}): Promise<InstanceRecord> {
  return await make(world, name, { ...body, start: true });
}

export function pidOf(world: World, instance: InstanceRecord): number {
  const state = world.actions.state(instance.id);
  assert.ok("pid" in state, `it runs: ${JSON.stringify(state)} ${world.failures.join("\n")}`);
  return state.pid;
}

/** A path as the running container sees it. */
export const inside = (world: World, instance: InstanceRecord, path: string) =>
  `/proc/${pidOf(world, instance)}/root${guestPath(path)}`;

export const change = (world: World, instance: InstanceRecord, wish: {
  config?: Record<string, string>;
  devices?: Record<string, Record<string, string>>;
}) =>
  world.actions.change(instance, {
    config: { ...instance.config, ...wish.config },
    devices: wish.devices ?? instance.devices,
    profiles: instance.profiles.map((layer) => layer.name),
    description: instance.description,
    isEphemeral: instance.isEphemeral,
    architecture: instance.architecture,
  }, {});
