/** The server itself. */
import {
  getCluster,
  getResources,
  getRoot,
  getServer,
  patchServer,
  putServer,
  type ServerPut,
} from "#api/routes/server.ts";
import { EXTENSIONS } from "#api/extensions.ts";
import { LXD_COMPAT_VERSION } from "#base/version.ts";
import { text } from "#daemon/db/db.ts";
import { type BoundRoute, type Call, handle, sync } from "#daemon/http/handle.ts";
import { areIdMountsOff } from "#daemon/host/id_mounts.ts";
import type { HostFacts } from "#daemon/host/facts.ts";
import { readResources } from "#daemon/host/resources/resources.ts";
import type { ServerSettings } from "#daemon/server_settings.ts";
import type { Services } from "#daemon/services.ts";

export interface ServerIdentity {
  readonly facts: HostFacts;
  readonly certificatePem: string;
  readonly fingerprint: string;
  /** Addresses with ports on which clients reach the server. */
  readonly addresses: () => Promise<string[]>;
  /** Storage drivers that work on this host. */
  readonly storageDrivers: () => Promise<readonly { name: string; version: string }[]>;
}

const ARCHITECTURES: Readonly<Record<string, string[]>> = {
  x86_64: ["x86_64", "i686"],
  aarch64: ["aarch64", "armv7l"],
};

async function environment(services: Services, identity: ServerIdentity, project: string) {
  const { facts } = identity;
  const drivers = await services.db.read((tx) =>
    tx.all("SELECT DISTINCT driver FROM storage_pools ORDER BY driver")
  );
  const storage = drivers.map((row) => text(row, "driver"));
  const supported = await identity.storageDrivers();
  const versions = new Map(supported.map(({ name, version }) => [name, version]));
  return {
    addresses: await identity.addresses(),
    architectures: ARCHITECTURES[facts.architecture] ?? [facts.architecture],
    certificate: identity.certificatePem,
    certificate_fingerprint: identity.fingerprint,
    driver: "lxc",
    driver_version: facts.lxcVersion,
    firewall: "nftables",
    kernel: "Linux",
    kernel_architecture: facts.architecture,
    kernel_features: {
      idmapped_mounts: String(!areIdMountsOff()),
      netnsid_getifaddrs: "true",
      seccomp_listener: "true",
      seccomp_listener_continue: "true",
      shiftfs: "false",
      uevent_injection: "true",
      unpriv_fscaps: "true",
    },
    kernel_version: facts.kernelVersion,
    lxc_features: facts.lxcFeatures,
    os_name: facts.osName,
    os_version: facts.osVersion,
    project,
    server: "lxd",
    server_clustered: false,
    server_event_mode: "full-mesh",
    server_name: facts.hostname,
    server_pid: Deno.pid,
    server_version: LXD_COMPAT_VERSION,
    storage: storage.join(" | "),
    storage_version: storage.map((name) => versions.get(name) ?? "").join(" | "),
    storage_supported_drivers: supported.map(({ name, version }) => ({
      Name: name,
      Version: version,
      Remote: false,
    })),
  };
}

/** Values arrive as text, numbers or booleans; all are kept as text. */
function asText(config: ServerPut["config"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config ?? {}).map(([key, value]) => [key, value === null ? "" : String(value)]),
  );
}

/** Strangers see what says how to be trusted. */
export function serverRoutes(identity: ServerIdentity, settings: ServerSettings): BoundRoute[] {
  const update = async (services: Services, call: Call<typeof putServer>, isPatch: boolean) => {
    const shown = await settings.shown();
    call.ifMatch(shown);
    const given = asText(call.body.config);
    await settings.replace(isPatch ? { ...await settings.raw(), ...given } : given);
    services.events.lifecycle({
      action: "config-updated",
      source: "/1.0",
      project: "",
      caller: call.caller,
    });
    return sync();
  };
  return [
    handle(getRoot, () => sync(["/1.0"])),
    handle(getServer, async (services, { caller, query }) => {
      const open = {
        api_extensions: EXTENSIONS.map(([name]) => name),
        api_status: "stable",
        api_version: "1.0",
        auth: caller.trusted ? "trusted" : "untrusted",
        public: false,
        auth_methods: await authMethods(settings),
      };
      if (!caller.trusted) return sync(open);
      const config = await settings.shown();
      const object = { config, ...open };
      return sync(
        { ...object, environment: await environment(services, identity, query.project) },
        { etag: config },
      );
    }),
    handle(putServer, (services, call) => update(services, call, false)),
    handle(patchServer, (services, call) => update(services, call, true)),
    handle(getResources, async () => sync(await readResources())),
    handle(getCluster, () => sync({ server_name: "", enabled: false, member_config: [] })),
  ];
}

/** Candid is announced where it is configured; who comes with a macaroon is told to use TLS. */
async function authMethods(settings: ServerSettings): Promise<string[]> {
  return await settings.value("candid.api.url") === "" ? ["tls"] : ["tls", "candid"];
}
