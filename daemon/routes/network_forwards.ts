/** Network forwards: addresses of the host that lead to instances of a bridge. */
import {
  deleteForward,
  getForward,
  getForwards,
  internalBgp,
  patchForward,
  postForwards,
  putForward,
} from "#api/routes/network_forwards.ts";
import { checkForward, type Forward, type ForwardPort } from "#api/config/network_forward.ts";
import { Fault } from "#base/errors.ts";
import { formatAddress, formatNetwork, parseAddress, parseSubnet } from "#base/ip.ts";
import { Undo } from "#base/undo.ts";
import { isTrue } from "#base/units.ts";
import type { Tx } from "#daemon/db/db.ts";
import {
  deleteForward as deleteRow,
  type ForwardRow,
  getForward as getRow,
  insertForward,
  listForwards,
  updateForward,
} from "#daemon/db/network_forwards.ts";
import { getNetwork, listNetworks, type NetworkRow } from "#daemon/db/networks.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { NetworkService } from "#daemon/networks/create.ts";
import type { Services } from "#daemon/services.ts";

const render = (forward: Forward) => ({
  description: forward.description,
  config: forward.config,
  ports: forward.ports,
  listen_address: forward.listen_address,
  location: "none",
});

const etagOf = (forward: Forward) => [forward.listen_address, forward.description, forward.ports];

const urlOf = (network: NetworkRow, address: string) =>
  `/1.0/networks/${network.name}/forwards/${address}${projectSuffix(network.project)}`;

async function findNetwork(tx: Tx, project: string, name: string): Promise<NetworkRow> {
  const owner = await effectiveProject(tx, project, "networks");
  const network = await getNetwork(tx, owner.id, name);
  if (network.type === "bridge") return network;
  throw new Fault(
    "bad_request",
    `Network driver "${network.type}" does not support forwards`,
    { hint: "Forwards belong to networks of type bridge." },
  );
}

const wishedPorts = (
  ports: readonly (Omit<ForwardPort, "description" | "target_port"> & Partial<ForwardPort>)[] = [],
): ForwardPort[] =>
  ports.map((port) => ({
    ...port,
    description: port.description ?? "",
    target_port: port.target_port ?? "",
  }));

/** "::1" for "0:0:0:0:0:0:0:1": one text for one address. */
function canonical(address: string): string {
  const parsed = parseAddress(address);
  return parsed === undefined ? address : formatAddress(parsed.family, parsed.value);
}

/** @see LXD doc/network-forwards.md */
export function networkForwardRoutes(networks: NetworkService): BoundRoute[] {
  interface Change {
    readonly services: Services;
    readonly network: NetworkRow;
    readonly before: readonly ForwardRow[];
    readonly after: readonly Forward[];
    readonly write: (tx: Tx) => Promise<void>;
  }
  /** First the firewall, then the database; all of it or nothing. */
  const apply = async ({ services, network, before, after, write }: Change) => {
    await using undo = new Undo((step, error) => services.log.error(step, { error }));
    undo.add("old rules", () => networks.refreshRules(network, { forwards: before }));
    await networks.refreshRules(network, { forwards: after });
    await services.db.write(write);
    undo.keep();
  };

  const announce = (
    services: Services,
    network: NetworkRow,
    event: { action: string; address: string; caller: Caller },
  ) => {
    const source = urlOf(network, event.address);
    services.events.lifecycle({
      action: `network-forward-${event.action}`,
      source,
      project: network.project,
      caller: event.caller,
    });
    return source;
  };

  const update = async (services: Services, call: Call<typeof putForward>, isPatch: boolean) => {
    const { params, query, body, caller } = call;
    const [network, old, all] = await services.db.read(async (tx) => {
      const network = await findNetwork(tx, query.project, params.network);
      const old = await getRow(tx, network.id, canonical(params.address));
      return [network, old, await listForwards(tx, network.id)] as const;
    });
    call.ifMatch(etagOf(old));
    const next: ForwardRow = {
      ...old,
      description: body.description ?? (isPatch ? old.description : ""),
      ports: isPatch && body.ports === undefined ? old.ports : wishedPorts(body.ports),
      config: isPatch ? { ...old.config, ...body.config } : body.config ?? {},
    };
    checkForward(next, network.config);
    const after = all.map((one) => one.id === next.id ? next : one);
    const write = (tx: Tx) => updateForward(tx, next);
    await apply({ services, network, before: all, after, write });
    announce(services, network, { action: "updated", address: next.listen_address, caller });
    return sync();
  };

  return [
    handle(getForwards, async (services, call) => {
      const [network, all] = await services.db.read(async (tx) => {
        const network = await findNetwork(tx, call.query.project, call.params.network);
        return [network, await listForwards(tx, network.id)] as const;
      });
      return list(call, all.map(render), (one) => urlOf(network, one.listen_address));
    }),
    handle(postForwards, async (services, { params, query, body, caller }) => {
      const [network, all, everywhere] = await services.db.read(async (tx) => {
        const network = await findNetwork(tx, query.project, params.network);
        return [network, await listForwards(tx, network.id), await listForwards(tx)] as const;
      });
      const forward: Forward = {
        listen_address: canonical(body.listen_address),
        description: body.description ?? "",
        config: body.config ?? {},
        ports: wishedPorts(body.ports),
      };
      checkForward(forward, network.config);
      if (everywhere.some((one) => one.listen_address === forward.listen_address)) {
        throw new Fault("conflict", "A forward for that listen address already exists", {
          hint: "One address can lead to one network only.",
        });
      }
      const write = (tx: Tx) => insertForward(tx, network.id, forward);
      await apply({ services, network, before: all, after: [...all, forward], write });
      const address = forward.listen_address;
      return created(announce(services, network, { action: "created", address, caller }));
    }),
    handle(getForward, async (services, { params, query }) => {
      const forward = await services.db.read(async (tx) => {
        const network = await findNetwork(tx, query.project, params.network);
        return await getRow(tx, network.id, canonical(params.address));
      });
      return sync(render(forward), { etag: etagOf(forward) });
    }),
    handle(putForward, (services, call) => update(services, call, false)),
    handle(patchForward, (services, call) => update(services, call, true)),
    handle(deleteForward, async (services, { params, query, caller }) => {
      const [network, old, all] = await services.db.read(async (tx) => {
        const network = await findNetwork(tx, query.project, params.network);
        const old = await getRow(tx, network.id, canonical(params.address));
        return [network, old, await listForwards(tx, network.id)] as const;
      });
      const after = all.filter(({ id }) => id !== old.id);
      const write = (tx: Tx) => deleteRow(tx, old.id);
      await apply({ services, network, before: all, after, write });
      announce(services, network, { action: "deleted", address: old.listen_address, caller });
      return sync();
    }),
    handle(internalBgp, async ({ db }) => {
      const [networks, forwards] = await db.read(async (tx) => [
        await listNetworks(tx),
        await listForwards(tx),
      ]);
      return sync({ server: null, peers: [], prefixes: prefixes(networks, forwards) });
    }),
  ];
}

/** Subnets of bridges that are not hidden behind the host, and listen addresses of forwards. */
function prefixes(networks: readonly NetworkRow[], forwards: readonly ForwardRow[]) {
  const subnets = networks.filter(({ type }) => type === "bridge").flatMap(({ id, config }) =>
    ([4, 6] as const).flatMap((family) => {
      const subnet = parseSubnet(config[`ipv${family}.address`] ?? "");
      if (subnet === undefined || isTrue(config[`ipv${family}.nat`])) return [];
      return [{ owner: `network_${id}`, prefix: formatNetwork(subnet), family, config }];
    })
  );
  const addresses = forwards.map(({ id, networkId, listen_address }) => {
    const family = parseAddress(listen_address)?.family ?? 4;
    const config = networks.find((one) => one.id === networkId)?.config ?? {};
    const prefix = `${listen_address}/${family === 4 ? 32 : 128}`;
    return { owner: `network_${networkId}_forward_${id}`, prefix, family, config };
  });
  return [...subnets, ...addresses].map(({ owner, prefix, family, config }) => ({
    owner,
    prefix,
    nexthop: config[`bgp.ipv${family}.nexthop`] ?? (family === 4 ? "0.0.0.0" : "::"),
  }));
}
