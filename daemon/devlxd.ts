/** /dev/lxd for all instances: the server of guest/, and what it may know of the rest. */
import type { Paths } from "./paths.ts";
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import type { Database } from "./db/db.ts";
import { listAllImages } from "./db/images.ts";
import { findInstanceById, listInstances } from "./db/instances.ts";
import { changesOf, type Guest } from "./guest/devlxd/answer.ts";
import type { RunningInit } from "./guest/devlxd/caller.ts";
import { type Devlxd, serveDevlxd } from "./guest/devlxd/server.ts";
import { sendError } from "./http/render.ts";
import { acceptWebsocket } from "./http/websocket.ts";
import { parseIdmapJson } from "./idmap/format.ts";
import { sendImage } from "./images/export.ts";
import type { Images } from "./images/service.ts";
import type { InstanceRecord } from "./instances/record.ts";
import type { RunState } from "./instances/machine.ts";

export interface DevlxdDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly images: Images;
  readonly state: (id: number) => RunState;
  readonly onError: (what: string, error: unknown) => void;
}

export interface DevlxdService extends Pick<Devlxd, "close"> {
  /** An instance was changed: its listeners hear of it. */
  changed(before: InstanceRecord, after: InstanceRecord): void;
}

/** Listens on devlxd/sock in the state directory. @throws if it can't; what fails later goes to onError. */
export async function startDevlxd(deps: DevlxdDeps): Promise<DevlxdService> {
  const { db, images } = deps;
  const server = await serveDevlxd(deps.paths.at("devlxd", "sock"), {
    async running() {
      const all = await db.read((tx) => listInstances(tx));
      return all.flatMap((record) => {
        const state = deps.state(record.id);
        return "pid" in state ? [initOf(record, state.pid)] : [];
      });
    },
    async guest(id) {
      const record = await db.read((tx) => findInstanceById(tx, id));
      if (record === undefined || record.expandedConfig["security.devlxd"] === "false") {
        return undefined;
      }
      return guestOf(record);
    },
    async sendImage({ project }, fingerprint, response) {
      try {
        const ref = await images.resolve(project, fingerprint);
        const all = await db.read((tx) => listAllImages(tx));
        const image = all.find((one) => one.fingerprint === ref.fingerprint);
        if (image === undefined || !(image.isPublic || image.isCached)) {
          throw new Fault("not_found", "Image not found");
        }
        await sendImage(images.files(image.fingerprint), response);
      } catch (error) {
        sendError(response, error);
      }
    },
    acceptWebsocket,
    onError: deps.onError,
  });
  return {
    changed: (before, after) => server.send(after.id, changesOf(guestOf(before), guestOf(after))),
    close: () => server.close(),
  };
}

function initOf(record: InstanceRecord, pid: RunningInit["pid"]): RunningInit {
  const idmap = parseIdmapJson(record.config["volatile.idmap.current"]);
  const root = idmap?.find((entry) => entry.isUid && entry.nsId === 0);
  return { id: record.id, pid, rootUid: root?.hostId ?? 0 };
}

function guestOf(record: InstanceRecord): Guest {
  const devices: Record<string, Readonly<Record<string, string>>> = {};
  for (const [name, device] of Object.entries(record.expandedDevices)) {
    const hwaddr = record.config[`volatile.${name}.hwaddr`];
    const isChosen = device["type"] === "nic" && hwaddr !== undefined &&
      (device["hwaddr"] ?? "") === "";
    devices[name] = isChosen ? { ...device, hwaddr } : device;
  }
  return {
    id: record.id,
    name: record.name,
    project: record.project,
    config: {
      ...record.expandedConfig,
      "security.devlxd.images": String(isTrue(record.expandedConfig["security.devlxd.images"])),
    },
    devices,
    cloudInitId: record.config["volatile.cloud-init.instance-id"] ?? "",
  };
}
