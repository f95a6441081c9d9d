/** Network zones and their records. */
import {
  deleteRecord,
  deleteZone,
  getRecord,
  getRecords,
  getZone,
  getZones,
  patchRecord,
  patchZone,
  postRecords,
  postZones,
  putRecord,
  putZone,
} from "#api/routes/network_zones.ts";
import {
  checkEntries,
  checkRecordConfig,
  checkRecordName,
  checkZoneConfig,
  checkZoneName,
} from "#api/config/network_zone.ts";
import { Fault } from "#base/errors.ts";
import { listOf } from "#base/list.ts";
import type { Tx } from "#daemon/db/db.ts";
import {
  deleteRecord as deleteRecordRow,
  deleteZone as deleteZoneRow,
  getRecord as getRecordRow,
  getZone as getZoneRow,
  insertRecord,
  insertZone,
  listRecords,
  listZones,
  updateRecord,
  updateZone,
  type ZoneRecordRow,
  type ZoneRow,
} from "#daemon/db/network_zones.ts";
import { listNetworks } from "#daemon/db/networks.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import { ZONE_KEYS_OF_NETWORKS } from "#daemon/networks/dns/zone_keys.ts";
import { isZoneAllowed } from "#daemon/projects/restricted_devices.ts";
import type { Services } from "#daemon/services.ts";

async function find(tx: Tx, project: string, name: string): Promise<ZoneRow> {
  const owner = await effectiveProject(tx, project, "networks");
  return await getZoneRow(tx, owner.id, name);
}

async function render(tx: Tx, zone: ZoneRow) {
  const users = (await listNetworks(tx)).filter(({ config }) =>
    ZONE_KEYS_OF_NETWORKS.some((key) => listOf(config[key]).includes(zone.name))
  );
  return {
    description: zone.description,
    config: zone.config,
    name: zone.name,
    used_by: users.map(({ name, project }) => `/1.0/networks/${name}${projectSuffix(project)}`),
  };
}

const renderRecord = ({ description, entries, config, name }: ZoneRecordRow) => ({
  description,
  entries,
  config,
  name,
});

const urlOf = (zone: Pick<ZoneRow, "name" | "project">, record?: string) =>
  `/1.0/network-zones/${encodeURIComponent(zone.name)}` +
  (record === undefined ? "" : `/records/${encodeURIComponent(record)}`) +
  projectSuffix(zone.project);

const etagOf = (zone: ZoneRow) => [zone.name, zone.description, zone.config];
const etagOfRecord = (one: ZoneRecordRow) => [one.name, one.description, one.entries, one.config];

async function changeZone(services: Services, call: Call<typeof putZone>, isPatch: boolean) {
  const { params, query, body, caller } = call;
  const zone = await services.db.write(async (tx) => {
    const zone = await find(tx, query.project, params.zone);
    call.ifMatch(etagOf(zone));
    const config = isPatch ? { ...zone.config, ...body.config } : body.config ?? {};
    checkZoneConfig(config);
    const description = body.description ?? (isPatch ? zone.description : "");
    await updateZone(tx, { id: zone.id, description, config });
    return zone;
  });
  const { project } = zone;
  services.events.lifecycle({
    action: "network-zone-updated",
    source: urlOf(zone),
    project,
    caller,
  });
  return sync();
}

async function changeRecord(services: Services, call: Call<typeof putRecord>, isPatch: boolean) {
  const { params, query, body, caller } = call;
  const zone = await services.db.write(async (tx) => {
    const zone = await find(tx, query.project, params.zone);
    const old = await getRecordRow(tx, zone.id, params.name);
    call.ifMatch(etagOfRecord(old));
    const next = {
      ...old,
      description: body.description ?? (isPatch ? old.description : ""),
      entries: body.entries ?? (isPatch ? old.entries : []),
      config: isPatch ? { ...old.config, ...body.config } : body.config ?? {},
    };
    checkEntries(next.entries);
    checkRecordConfig(next.config);
    await updateRecord(tx, next);
    return zone;
  });
  services.events.lifecycle({
    action: "network-zone-record-updated",
    source: urlOf(zone, params.name),
    project: zone.project,
    caller,
  });
  return sync();
}

const zoneRoutes = [
  handle(getZones, async (services, call) => {
    const all = await services.db.read(async (tx) => {
      const owner = await effectiveProject(tx, call.query.project, "networks");
      return await Promise.all((await listZones(tx, owner.id)).map((zone) => render(tx, zone)));
    });
    return list(call, all, ({ name }) => urlOf({ name, project: call.query.project }));
  }),
  handle(postZones, async (services, { body, query, caller }) => {
    checkZoneName(body.name);
    const config = body.config ?? {};
    checkZoneConfig(config);
    const owner = await services.db.write(async (tx) => {
      const owner = await effectiveProject(tx, query.project, "networks");
      if (!isZoneAllowed(owner.config, body.name)) {
        throw new Fault("not_authorized", "Project isn't allowed to use this DNS zone", {
          hint: `restricted.networks.zones of the project "${owner.name}" lists what it may have.`,
        });
      }
      const taken = (await listZones(tx)).some(({ name }) => name === body.name);
      if (taken) throw new Fault("bad_request", "The network zone already exists");
      const description = body.description ?? "";
      await insertZone(tx, { projectId: owner.id, name: body.name, description, config });
      return owner;
    });
    const source = urlOf({ name: body.name, project: owner.name });
    const project = owner.name;
    services.events.lifecycle({ action: "network-zone-created", source, project, caller });
    return created(source);
  }),
  handle(getZone, async (services, { params, query }) => {
    const [zone, object] = await services.db.read(async (tx) => {
      const zone = await find(tx, query.project, params.zone);
      return [zone, await render(tx, zone)] as const;
    });
    return sync(object, { etag: etagOf(zone) });
  }),
  handle(putZone, (services, call) => changeZone(services, call, false)),
  handle(patchZone, (services, call) => changeZone(services, call, true)),
  handle(deleteZone, async (services, { params, query, caller }) => {
    const zone = await services.db.write(async (tx) => {
      const zone = await find(tx, query.project, params.zone);
      const { used_by } = await render(tx, zone);
      if (used_by.length > 0) {
        throw new Fault("bad_request", "Cannot delete a zone that is in use", {
          hint: `Used by ${used_by.slice(0, 5).join(", ")}`,
        });
      }
      await deleteZoneRow(tx, zone.id);
      return zone;
    });
    const { project } = zone;
    const source = urlOf(zone);
    services.events.lifecycle({ action: "network-zone-deleted", source, project, caller });
    return sync();
  }),
] satisfies BoundRoute[];

const recordRoutes = [
  handle(getRecords, async (services, call) => {
    const [zone, all] = await services.db.read(async (tx) => {
      const zone = await find(tx, call.query.project, call.params.zone);
      return [zone, await listRecords(tx, zone.id)] as const;
    });
    return list(call, all.map(renderRecord), ({ name }) => urlOf(zone, name));
  }),
  handle(postRecords, async (services, { params, body, query, caller }) => {
    checkRecordName(body.name);
    const record = {
      name: body.name,
      description: body.description ?? "",
      entries: body.entries ?? [],
      config: body.config ?? {},
    };
    checkEntries(record.entries);
    checkRecordConfig(record.config);
    const zone = await services.db.write(async (tx) => {
      const zone = await find(tx, query.project, params.zone);
      const taken = (await listRecords(tx, zone.id)).some(({ name }) => name === record.name);
      if (taken) throw new Fault("bad_request", "The network zone record already exists");
      await insertRecord(tx, zone.id, record);
      return zone;
    });
    const source = urlOf(zone, record.name);
    const { project } = zone;
    services.events.lifecycle({ action: "network-zone-record-created", source, project, caller });
    return created(source);
  }),
  handle(getRecord, async (services, { params, query }) => {
    const record = await services.db.read(async (tx) => {
      const zone = await find(tx, query.project, params.zone);
      return await getRecordRow(tx, zone.id, params.name);
    });
    return sync(renderRecord(record), { etag: etagOfRecord(record) });
  }),
  handle(putRecord, (services, call) => changeRecord(services, call, false)),
  handle(patchRecord, (services, call) => changeRecord(services, call, true)),
  handle(deleteRecord, async (services, { params, query, caller }) => {
    const zone = await services.db.write(async (tx) => {
      const zone = await find(tx, query.project, params.zone);
      await deleteRecordRow(tx, (await getRecordRow(tx, zone.id, params.name)).id);
      return zone;
    });
    const { project } = zone;
    const source = urlOf(zone, params.name);
    services.events.lifecycle({ action: "network-zone-record-deleted", source, project, caller });
    return sync();
  }),
] satisfies BoundRoute[];

export default [...zoneRoutes, ...recordRoutes];
