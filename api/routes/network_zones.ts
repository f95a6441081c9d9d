/** Network zones: DNS of networks, and records of one's own. */
import { route } from "#api/route.ts";
import { array, configMap, integer, object, optional, string } from "#api/schema.ts";

const Entry = object({ type: string(), ttl: optional(integer({ min: 0 })), value: string() });
const zone = { config: optional(configMap()), description: optional(string()) } as const;
export const ZonesPost = object({ ...zone, name: string() }, { ignored: ["used_by"] });
export const ZonePut = object(zone, { ignored: ["name", "used_by"] });
const record = { ...zone, entries: optional(array(Entry)) } as const;
export const RecordsPost = object({ ...record, name: string() });
export const RecordPut = object(record, { ignored: ["name"] });

const one = "/1.0/network-zones/{zone}";
const oneRecord = `${one}/records/{name}`;
const common = { access: "trusted", reply: "sync", extension: "network_dns" } as const;
const ofRecords = { ...common, extension: "network_dns_records" } as const;
export const getZones = route({
  ...common,
  method: "GET",
  path: "/1.0/network-zones",
  summary: "List network zones",
});
export const postZones = route({
  ...common,
  method: "POST",
  path: "/1.0/network-zones",
  summary: "Create a network zone",
  body: ZonesPost,
});
export const getZone = route({
  ...common,
  method: "GET",
  path: one,
  summary: "Show a network zone",
});
export const putZone = route({
  ...common,
  method: "PUT",
  path: one,
  summary: "Replace the configuration of a network zone",
  body: ZonePut,
});
export const patchZone = route({
  ...common,
  method: "PATCH",
  path: one,
  summary: "Change the configuration of a network zone",
  body: ZonePut,
});
export const deleteZone = route({
  ...common,
  method: "DELETE",
  path: one,
  summary: "Delete a network zone that no network uses",
});
export const getRecords = route({
  ...ofRecords,
  method: "GET",
  path: `${one}/records`,
  summary: "List the records of a network zone",
});
export const postRecords = route({
  ...ofRecords,
  method: "POST",
  path: `${one}/records`,
  summary: "Create a record",
  body: RecordsPost,
});
export const getRecord = route({
  ...ofRecords,
  method: "GET",
  path: oneRecord,
  summary: "Show a record",
});
export const putRecord = route({
  ...ofRecords,
  method: "PUT",
  path: oneRecord,
  summary: "Replace a record",
  body: RecordPut,
});
export const patchRecord = route({
  ...ofRecords,
  method: "PATCH",
  path: oneRecord,
  summary: "Change a record",
  body: RecordPut,
});
export const deleteRecord = route({
  ...ofRecords,
  method: "DELETE",
  path: oneRecord,
  summary: "Delete a record",
});
