/** Warnings. */
import {
  deleteWarning as deleteRow,
  getWarning as getRow,
  getWarnings,
  internalWarningsPost,
  patchWarning,
  putWarning,
} from "#api/routes/warnings.ts";
import {
  deleteWarning,
  getWarning,
  listWarnings,
  raiseWarning,
  setWarningStatus,
  type Warning,
} from "#daemon/db/warnings.ts";
import { type BoundRoute, type Call, handle, sync } from "#daemon/http/handle.ts";
import { list } from "#daemon/http/list.ts";
import type { Services } from "#daemon/services.ts";

const urlOf = ({ uuid }: Pick<Warning, "uuid">) => `/1.0/warnings/${uuid}`;
const etagOf = ({ status }: Warning) => [status];

async function update(services: Services, call: Call<typeof putWarning>) {
  const { params: { uuid }, body: { status }, caller } = call;
  const before = await services.db.read((tx) => getWarning(tx, uuid));
  call.ifMatch(etagOf(before));
  await services.db.write((tx) => setWarningStatus(tx, uuid, status));
  const action = status === "new" ? "warning-reset" : "warning-acknowledged";
  services.events.lifecycle({ action, source: urlOf(before), project: before.project, caller });
  return sync();
}

export default [
  handle(getWarnings, async (services, call) => {
    const all = await services.db.read((tx) => listWarnings(tx));
    return list(call, all, urlOf);
  }),
  handle(getRow, async (services, { params: { uuid } }) => {
    const warning = await services.db.read((tx) => getWarning(tx, uuid));
    return sync(warning, { etag: etagOf(warning) });
  }),
  handle(putWarning, update),
  handle(patchWarning, (services, call) => update(services, call)),
  handle(deleteRow, async (services, { params: { uuid }, caller }) => {
    const warning = await services.db.read((tx) => getWarning(tx, uuid));
    await services.db.write((tx) => deleteWarning(tx, uuid));
    services.events.lifecycle({
      action: "warning-deleted",
      source: urlOf(warning),
      project: warning.project,
      caller,
    });
    return sync();
  }),
  handle(internalWarningsPost, async (services, { body }) => {
    const { entity_type_code: typeCode = -1, entity_id: id = -1 } = body;
    await services.db.write((tx) =>
      raiseWarning(tx, {
        code: body.type_code,
        message: body.message ?? "",
        project: body.project ?? "",
        ...((typeCode >= 0 || id >= 0) && { entity: { typeCode, id } }),
      })
    );
    return sync();
  }),
] satisfies BoundRoute[];
