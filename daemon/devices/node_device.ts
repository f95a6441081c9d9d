/**
 * Every device that is a set of device nodes: what differs is which nodes of the host it stands for.
 * Where they may come and go, the set is looked up anew at each change and the container follows.
 */
import type { Pid } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import type { Uevent } from "#daemon/host/uevents.ts";
import type { Device, DeviceConfig, DeviceStart, DeviceType, ValidateContext } from "./device.ts";
import {
  accessRule,
  type HostNode,
  isTaken,
  madeNodes,
  makeNode,
  plugNode,
  removeNodes,
  tellEvent,
  unplugNode,
} from "./node.ts";
import { nodeOfEvent } from "./sysfs.ts";

export interface NodeSpec {
  readonly type: string;
  /** @throws {Fault} bad_request */
  validate(name: string, config: DeviceConfig, context: ValidateContext): void;
  /** The nodes that it stands for now. @throws {Fault} bad_request */
  find(device: Device): readonly HostNode[];
  isRequired(config: DeviceConfig): boolean;
  /** Said when none is there and it is required. */
  missing(device: Device): string;
  /** What to do then, if not to set required=false. */
  readonly advice?: string;
  /** What tells of changes; undefined: nothing changes. */
  watched(config: DeviceConfig): { readonly path: string } | "uevents" | undefined;
}

/** A device type of such nodes; while it is used, it listens to uevents if the spec says so. */
export function nodeDevice(spec: NodeSpec): DeviceType {
  return {
    type: spec.type,
    validate(name, config, context) {
      spec.validate(name, config, context);
      return Promise.resolve();
    },
    start: (device, undo) => start(spec, device, undo),
    async stop(device) {
      unwatch(device);
      await removeNodes(device);
    },
    async plug(device, pid, undo) {
      for (const node of findRequired(spec, device)) await plugNode(device, pid, node, undo);
      watch(spec, device);
      undo.add(`stop watching device "${device.name}"`, () => unwatch(device));
    },
    async unplug(device, pid) {
      unwatch(device);
      for (const node of madeNodes(device)) await unplugNode(device, pid, node);
    },
    async adopt(device, pid) {
      watch(spec, device);
      if (spec.watched(device.config) !== undefined) await follow(spec, device, pid, noNews());
    },
  };
}

function findRequired(spec: NodeSpec, device: Device): readonly HostNode[] {
  const nodes = spec.find(device);
  if (nodes.length > 0 || !spec.isRequired(device.config)) return nodes;
  throw new Fault(
    "bad_request",
    `Failed to start device "${device.name}": ${spec.missing(device)}`,
    { hint: spec.advice ?? "Set required=false to go on without it." },
  );
}

async function start(spec: NodeSpec, device: Device, undo: Undo): Promise<DeviceStart> {
  undo.add(`remove nodes of "${device.name}"`, () => removeNodes(device));
  const lxc: [string, string][] = [];
  const cgroupAllow: string[] = [];
  for (const node of findRequired(spec, device)) {
    const file = await makeNode(device, node);
    cgroupAllow.push(accessRule(node));
    if (isTaken(device, node.path)) continue;
    const words = [file, node.path.replace(/^\/+/, "")].map(escapeSpaces);
    lxc.push(["lxc.mount.entry", `${words.join(" ")} none bind,create=file 0 0`]);
  }
  watch(spec, device);
  undo.add(`stop watching device "${device.name}"`, () => unwatch(device));
  return { lxc, cgroupAllow };
}

/** fstab(5) separates by white space. */
function escapeSpaces(path: string): string {
  return path.replaceAll("\\", "\\134").replaceAll(" ", "\\040").replaceAll("\t", "\\011");
}

function watchKey(device: Device): string {
  return `${device.host.id}/${device.name}`;
}

function watch(spec: NodeSpec, device: Device): void {
  const what = spec.watched(device.config);
  if (what === undefined) return;
  const { paths, uevents, onError } = device.services.watches;
  const news = noNews();
  const changed = (events: readonly Uevent[] = []) => {
    news.events.push(...events);
    void device.host.whileRunning((pid) => follow(spec, device, pid, news))
      .catch((error) => onError(`follow the nodes of device "${device.name}"`, error));
  };
  if (what === "uevents") uevents.set(watchKey(device), changed);
  else paths.set(watchKey(device), what.path, changed);
}

/** Idempotent. */
function unwatch(device: Device): void {
  device.services.watches.paths.delete(watchKey(device));
  device.services.watches.uevents.delete(watchKey(device));
}

/** What the container is to hear. */
interface News {
  /** Of any device, in order. */
  readonly events: Uevent[];
  /** Those that it has, or had and was not told that they went: a look may come before its event. */
  readonly nodes: Set<string>;
}

const noNews = (): News => ({ events: [], nodes: new Set() });

const idOf = (node: HostNode) => `${accessRule(node)} ${node.path}`;

const has = (nodes: readonly HostNode[], node: HostNode) =>
  nodes.some((other) => idOf(other) === idOf(node));

/** Make what the container has into what the host has, and let it hear of that. */
async function follow(spec: NodeSpec, device: Device, pid: Pid, news: News): Promise<void> {
  const wanted = spec.find(device);
  // Before what may fail, again and again: they don't pile up.
  const events = news.events.splice(0);
  const made = madeNodes(device);
  for (const node of [...made, ...wanted]) news.nodes.add(idOf(node));
  for (const node of made) if (!has(wanted, node)) await unplugNode(device, pid, node);
  await using undo = new Undo((step, error) => device.services.watches.onError(step, error));
  for (const node of wanted) if (!has(made, node)) await plugNode(device, pid, node, undo);
  undo.keep();
  for (const event of events) {
    const node = nodeOfEvent(event);
    if (node === undefined || !news.nodes.has(idOf(node))) continue;
    await tellEvent(device, pid, event);
    if (event.includes("ACTION=remove") && !has(wanted, node)) news.nodes.delete(idOf(node));
  }
}
