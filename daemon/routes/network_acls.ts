/** Network ACLs; a change reaches every network that uses the ACL. */
import {
  deleteNetworkAcl,
  getNetworkAcl,
  getNetworkAclLog,
  getNetworkAcls,
  patchNetworkAcl,
  postNetworkAcl,
  postNetworkAcls,
  putNetworkAcl,
} from "#api/routes/network_acls.ts";
import {
  type AclRow,
  type AclRule,
  checkAclConfig,
  checkAclName,
  checkAclRules,
  normalRule,
} from "#api/config/network_acl.ts";
import { Fault } from "#base/errors.ts";
import { listOf } from "#base/list.ts";
import { Undo } from "#base/undo.ts";
import { deleteAcl, getAcl, insertAcl, listAcls, updateAcl } from "#daemon/db/network_acls.ts";
import type { Tx } from "#daemon/db/db.ts";
import { listNetworks, type NetworkRow } from "#daemon/db/networks.ts";
import { effectiveProject, type Project } from "#daemon/db/projects.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import { readAclLog } from "#daemon/networks/acl_log.ts";
import type { NetworkService } from "#daemon/networks/create.ts";
import type { Services } from "#daemon/services.ts";

interface Found {
  readonly acl: AclRow;
  readonly owner: Project;
  readonly all: readonly AclRow[];
  /** Networks that use it. */
  readonly networks: readonly NetworkRow[];
}

const networksOf = (networks: readonly NetworkRow[], name: string) =>
  networks.filter(({ config }) => listOf(config["security.acls"]).includes(name));

async function find(tx: Tx, project: string, name: string): Promise<Found> {
  const owner = await effectiveProject(tx, project, "networks");
  const acl = await getAcl(tx, owner.id, name);
  const networks = networksOf(await listNetworks(tx, owner.id), name);
  return { acl, owner, all: await listAcls(tx, owner.id), networks };
}

function render({ acl, all, networks, owner }: Found) {
  const suffix = projectSuffix(owner.name);
  const names = (rule: AclRule) => [...listOf(rule.source), ...listOf(rule.destination)];
  const naming = all.filter((other) =>
    other.name !== acl.name &&
    [...other.ingress, ...other.egress].some((rule) => names(rule).includes(acl.name))
  );
  return {
    name: acl.name,
    description: acl.description,
    egress: acl.egress,
    ingress: acl.ingress,
    config: acl.config,
    used_by: [
      ...networks.map(({ name }) => `/1.0/networks/${name}${suffix}`),
      ...naming.map(({ name }) => `/1.0/network-acls/${name}${suffix}`),
    ],
  };
}

const etagOf = (acl: AclRow) => [acl.name, acl.description, acl.ingress, acl.egress, acl.config];

interface AclWish {
  readonly description?: string;
  readonly ingress?: readonly Partial<AclRule>[];
  readonly egress?: readonly Partial<AclRule>[];
}

function wished(body: AclWish): Pick<AclRow, "description" | "ingress" | "egress"> {
  return {
    description: body.description ?? "",
    ingress: (body.ingress ?? []).map(normalRule),
    egress: (body.egress ?? []).map(normalRule),
  };
}

function announce(
  services: Services,
  event: { action: string; project: string; name: string; caller: Caller },
) {
  const source = `/1.0/network-acls/${event.name}${projectSuffix(event.project)}`;
  services.events.lifecycle({ ...event, action: `network-acl-${event.action}`, source });
  return source;
}

function refuseUsed(found: Found): void {
  const { used_by } = render(found);
  if (used_by.length === 0) return;
  throw new Fault("bad_request", "Cannot delete or rename an ACL that is in use", {
    hint: `Used by ${used_by.slice(0, 5).join(", ")}`,
  });
}

/** @see LXD doc/network-acls.md */
export function networkAclRoutes(networks: NetworkService): BoundRoute[] {
  /** First the firewall of each network, then the database; all of it or nothing. */
  const update = async (services: Services, call: Call<typeof putNetworkAcl>, isPatch: boolean) => {
    const { params, query, body, caller } = call;
    const found = await services.db.read((tx) => find(tx, query.project, params.name));
    const { acl, all } = found;
    call.ifMatch(etagOf(acl));
    const config = isPatch ? { ...acl.config, ...body.config } : body.config ?? {};
    const next: AclRow = { ...acl, ...wished(body), config };
    checkAclConfig(config);
    checkAclRules(next, new Set(all.map(({ name }) => name)));
    await using undo = new Undo((step, error) => services.log.error(step, { error }));
    const acls = all.map((one) => one.id === next.id ? next : one);
    for (const network of found.networks) {
      undo.add("old rules", () => networks.refreshRules(network, { acls: all }));
      await networks.refreshRules(network, { acls });
    }
    await services.db.write((tx) => updateAcl(tx, next));
    undo.keep();
    announce(services, { action: "updated", project: found.owner.name, name: acl.name, caller });
    return sync();
  };

  return [
    handle(getNetworkAcls, async (services, call) => {
      const { project } = call.query;
      const all = await services.db.read(async (tx) => {
        const owner = await effectiveProject(tx, project, "networks");
        const acls = await listAcls(tx, owner.id);
        const rows = await listNetworks(tx, owner.id);
        return acls.map((acl) =>
          render({ acl, owner, all: acls, networks: networksOf(rows, acl.name) })
        );
      });
      return list(call, all, ({ name }) => `/1.0/network-acls/${name}${projectSuffix(project)}`);
    }),
    handle(postNetworkAcls, async (services, { body, query, caller }) => {
      checkAclName(body.name);
      const config = body.config ?? {};
      checkAclConfig(config);
      const acl = { name: body.name, ...wished(body), config };
      const owner = await services.db.write(async (tx) => {
        const owner = await effectiveProject(tx, query.project, "networks");
        const names = new Set((await listAcls(tx, owner.id)).map(({ name }) => name));
        if (names.has(acl.name)) {
          throw new Fault("bad_request", "The network ACL already exists");
        }
        checkAclRules(acl, names.add(acl.name));
        await insertAcl(tx, owner.id, acl);
        return owner;
      });
      return created(
        announce(services, { action: "created", project: owner.name, name: acl.name, caller }),
      );
    }),
    handle(getNetworkAcl, async (services, { params, query }) => {
      const found = await services.db.read((tx) => find(tx, query.project, params.name));
      return sync(render(found), { etag: etagOf(found.acl) });
    }),
    handle(putNetworkAcl, (services, call) => update(services, call, false)),
    handle(patchNetworkAcl, (services, call) => update(services, call, true)),
    handle(postNetworkAcl, async (services, { params, query, body, caller }) => {
      checkAclName(body.name);
      const owner = await services.db.write(async (tx) => {
        const found = await find(tx, query.project, params.name);
        if (found.all.some(({ name }) => name === body.name)) {
          throw new Fault("bad_request", "An ACL by that name exists already");
        }
        refuseUsed(found);
        await updateAcl(tx, { ...found.acl, name: body.name });
        return found.owner;
      });
      return created(
        announce(services, { action: "renamed", project: owner.name, name: body.name, caller }),
      );
    }),
    handle(deleteNetworkAcl, async (services, { params, query, caller }) => {
      const owner = await services.db.write(async (tx) => {
        const found = await find(tx, query.project, params.name);
        refuseUsed(found);
        await deleteAcl(tx, found.acl.id);
        return found.owner;
      });
      announce(services, { action: "deleted", project: owner.name, name: params.name, caller });
      return sync();
    }),
    handle(getNetworkAclLog, async (services, { params, query }) => {
      const { acl } = await services.db.read((tx) => find(tx, query.project, params.name));
      const entries = await readAclLog(acl);
      return {
        kind: "raw",
        send: (response) => {
          response.writeHead(200, { "Content-Type": "application/octet-stream" });
          response.end(entries.map((one) => `${JSON.stringify(one)}\n`).join(""));
          return Promise.resolve();
        },
      };
    }),
  ];
}
