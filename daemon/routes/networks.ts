/** Networks. */
import {
  deleteNetwork,
  getNetwork as getNetworkRow,
  getNetworkLeases,
  getNetworks,
  getNetworkState,
  patchNetwork,
  postNetwork,
  postNetworks,
  putNetwork,
} from "#api/routes/networks.ts";
import { checkInterfaceName, NETWORK_TYPES } from "#api/config/network_keys.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { getNetwork, insertNetwork, listNetworks, type NetworkRow } from "#daemon/db/networks.ts";
import { listProfiles } from "#daemon/db/profiles.ts";
import { effectiveProject, getProject } from "#daemon/db/projects.ts";
import { removeTree, renameIfThere } from "#daemon/host/files.ts";
import { checkNetworkAllowed } from "#daemon/projects/check.ts";
import { isNetworkAllowed } from "#daemon/projects/restricted_devices.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import { type NetworkService, refuseTakenName } from "#daemon/networks/create.ts";
import { linkExists } from "#daemon/host/links.ts";
import { leasesOf } from "#daemon/networks/leases.ts";
import { allNics, isOnNetwork } from "#daemon/networks/nics.ts";
import { interfaceKinds, readInterface } from "#daemon/networks/state.ts";
import type { Services } from "#daemon/services.ts";

type Users = (network: { readonly name: string; readonly project: string }) => string[];

/** Instances and profiles with a nic on a network, read once for all networks. */
async function usersOfAll(services: Services): Promise<Users> {
  const { nics, profiles } = await services.db.read(async (tx) => {
    const owned = (await listProfiles(tx)).map(async (profile) => {
      const { name: owner } = await effectiveProject(tx, profile.project, "networks");
      return { ...profile, owner };
    });
    return { nics: await allNics(tx), profiles: await Promise.all(owned) };
  });
  return (network) => {
    const instances = nics.filter(({ config, owner }) => isOnNetwork(config, network, owner)).map(
      ({ instance, project }) => `/1.0/instances/${instance}${projectSuffix(project)}`,
    );
    const users = profiles.filter(({ devices, owner }) =>
      Object.values(devices).some((one) => isOnNetwork(one, network, owner))
    ).map(({ name, project }) => `/1.0/profiles/${name}${projectSuffix(project)}`);
    return [...new Set(instances), ...users];
  };
}

function hideVolatile(config: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => key !== "volatile.bridge.hwaddr"),
  );
}

function renderManaged(row: NetworkRow, usersOf: Users) {
  return {
    config: hideVolatile(row.config),
    description: row.description,
    name: row.name,
    type: row.type,
    used_by: usersOf(row),
    managed: true,
    status: "Created",
    locations: ["none"],
  };
}

function renderHost(name: string, kind: string, usersOf: Users) {
  return {
    config: {},
    description: "",
    name,
    type: kind,
    used_by: usersOf({ name, project: "default" }),
    managed: false,
    status: "",
    locations: null,
  };
}

async function managed(services: Services, project: string, name: string): Promise<NetworkRow> {
  await requireVisible(services, project, { name, isManaged: true });
  return await services.db.read(async (tx) => {
    const owner = await effectiveProject(tx, project, "networks");
    return await getNetwork(tx, owner.id, name);
  });
}

/** Restricted projects see some networks only. @throws {Fault} not_found */
async function requireVisible(
  services: Services,
  project: string,
  network: { readonly name: string; readonly isManaged: boolean },
): Promise<void> {
  const { config } = await services.db.read((tx) => getProject(tx, project));
  if (!isNetworkAllowed(config, network)) throw new Fault("not_found", "Network not found");
}

const etagOf = (row: NetworkRow) => [row.name, true, row.type, row.description, row.config];

async function refuseUsed(services: Services, row: NetworkRow): Promise<void> {
  const users = (await usersOfAll(services))(row);
  if (users.length === 0) return;
  throw new Fault("bad_request", "The network is currently in use", {
    hint: `Used by ${users.slice(0, 5).join(", ")}`,
  });
}

/** Those of the host are shown, managed ones can be changed. */
export function networkRoutes(networks: NetworkService): BoundRoute[] {
  const update = async (services: Services, call: Call<typeof putNetwork>, isPatch: boolean) => {
    const { body, params, query, caller } = call;
    const row = await managed(services, query.project, params.name);
    call.ifMatch(etagOf(row));
    const kept = row.config["volatile.bridge.hwaddr"];
    const wanted = isPatch
      ? { ...row.config, ...body.config }
      : { ...(kept === undefined ? {} : { "volatile.bridge.hwaddr": kept }), ...body.config };
    const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== ""));
    const config = await networks.complete({ ...row, config: given }, row.config);
    await networks.bringUp({ ...row, config }, row);
    await services.db.write(async (tx) => {
      await writeConfig(tx, "networks", row.id, config);
      const description = body.description ?? (isPatch ? row.description : "");
      await tx.run("UPDATE networks SET description = ? WHERE id = ?", description, row.id);
    });
    const source = `/1.0/networks/${row.name}${projectSuffix(query.project)}`;
    const { project } = query;
    services.events.lifecycle({ action: "network-updated", source, project, caller });
    return sync();
  };

  return [
    handle(getNetworks, async (services, call) => {
      const [rows, owner] = await services.db.read(async (tx) => {
        const owner = await effectiveProject(tx, call.query.project, "networks");
        return [await listNetworks(tx, owner.id), owner.name] as const;
      });
      const names = new Set(rows.map(({ name }) => name));
      const links = owner === "default" ? await interfaceKinds() : new Map<string, string>();
      const others = [...links].filter(([name]) => !names.has(name)).toSorted();
      const usersOf = await usersOfAll(services);
      const all = [
        ...rows.map((row) => renderManaged(row, usersOf)),
        ...others.map(([name, kind]) => renderHost(name, kind, usersOf)),
      ];
      const suffix = projectSuffix(call.query.project);
      const { config } = await services.db.read((tx) => getProject(tx, call.query.project));
      const visible = all.filter(({ name, managed }) =>
        isNetworkAllowed(config, { name, isManaged: managed })
      );
      return list(call, visible, ({ name }) => `/1.0/networks/${name}${suffix}`);
    }),
    handle(postNetworks, async (services, { body, query, caller }) => {
      const type = NETWORK_TYPES.find((one) => one === (body.type || "bridge"));
      if (type === undefined) {
        throw new Fault("bad_request", `Unknown network type "${body.type}"`, {
          hint: `There are ${NETWORK_TYPES.join(", ")}.`,
        });
      }
      checkInterfaceName(body.name);
      const owner = await services.db.read((tx) => effectiveProject(tx, query.project, "networks"));
      await services.db.read((tx) => checkNetworkAllowed(tx, owner.name));
      const taken = await services.db.read((tx) => listNetworks(tx, owner.id));
      if (taken.some(({ name }) => name === body.name)) {
        throw new Fault("bad_request", "The network already exists");
      }
      if (type === "bridge") await refuseTakenName(body.name);
      const wish = { name: body.name, type, projectId: owner.id };
      const config = await networks.complete({ ...wish, config: body.config ?? {} }, undefined);
      await networks.bringUp({ ...wish, id: 0, config });
      try {
        await services.db.write((tx) =>
          insertNetwork(tx, { ...wish, description: body.description ?? "", config })
        );
      } catch (error) {
        await networks.takeDown(wish);
        throw error;
      }
      const source = `/1.0/networks/${body.name}${projectSuffix(query.project)}`;
      const { project } = query;
      services.events.lifecycle({ action: "network-created", source, project, caller });
      return created(source);
    }),
    handle(getNetworkRow, async (services, { params, query }) => {
      const row = await networks.find(query.project, params.name);
      if (row !== undefined) {
        const full = await managed(services, query.project, params.name);
        return sync(renderManaged(full, await usersOfAll(services)), { etag: etagOf(full) });
      }
      await requireVisible(services, query.project, { name: params.name, isManaged: false });
      if (!await linkExists(params.name)) throw new Fault("not_found", "Network not found");
      const { kind } = await readInterface(params.name);
      return sync(renderHost(params.name, kind, await usersOfAll(services)));
    }),
    handle(putNetwork, (services, call) => update(services, call, false)),
    handle(patchNetwork, (services, call) => update(services, call, true)),
    handle(postNetwork, async (services, { body, params, query, caller }) => {
      checkInterfaceName(body.name);
      const row = await managed(services, query.project, params.name);
      await refuseUsed(services, row);
      const known = await services.db.read((tx) => listNetworks(tx, row.projectId));
      if (known.some(({ name }) => name === body.name)) {
        throw new Fault("conflict", `Network "${body.name}" already exists`);
      }
      if (row.type === "bridge") await refuseTakenName(body.name);
      const setName = (name: string) =>
        services.db.write((tx) =>
          tx.run("UPDATE networks SET name = ? WHERE id = ?", name, row.id)
        );
      const [from, to] = [networks.directory(row.name), networks.directory(body.name)];
      await using undo = new Undo((step, error) => services.log.error(step, { error }));
      undo.add("bring the network up again", () => networks.bringUp(row));
      await networks.takeDown(row);
      await renameIfThere(from, to);
      undo.add("old name of its files", () => renameIfThere(to, from));
      await setName(body.name);
      undo.add("old name", async () => void await setName(row.name));
      await networks.bringUp({ ...row, name: body.name });
      undo.keep();
      const source = `/1.0/networks/${body.name}${projectSuffix(query.project)}`;
      const { project } = query;
      services.events.lifecycle({ action: "network-renamed", source, project, caller });
      return created(source);
    }),
    handle(deleteNetwork, async (services, { params, query, caller }) => {
      const row = await managed(services, query.project, params.name);
      await refuseUsed(services, row);
      await networks.takeDown(row);
      await services.db.write((tx) => tx.run("DELETE FROM networks WHERE id = ?", row.id));
      await removeTree(networks.directory(row.name));
      const source = `/1.0/networks/${row.name}${projectSuffix(query.project)}`;
      const { project } = query;
      services.events.lifecycle({ action: "network-deleted", source, project, caller });
      return sync();
    }),
    handle(getNetworkLeases, async (services, { params, query }) => {
      const network = await managed(services, query.project, params.name);
      const directory = networks.directory(network.name);
      return sync(await leasesOf(network, { directory, nics: await networks.nicsOn(network) }));
    }),
    handle(getNetworkState, async (services, { params, query }) => {
      const isManaged = await networks.find(query.project, params.name) !== undefined;
      await requireVisible(services, query.project, { name: params.name, isManaged });
      if (!await linkExists(params.name)) throw new Fault("not_found", "Network not found");
      const { kind: _kind, ...state } = await readInterface(params.name);
      return sync(state);
    }),
  ];
}
