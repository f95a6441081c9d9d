/** The daemon: built, started, drained, unwound. README.md tells the order and why it is that one. */
import { openapiText } from "#api/openapi.ts";
import { Fault, isFaultOf, messageOf } from "#base/errors.ts";
import { Logger } from "#base/log.ts";
import type { Program } from "#base/program.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { createBackups } from "./backups/service.ts";
import {
  installHelper,
  makeFolders,
  openDatabases,
  serverCertificate,
  socketGroup,
} from "./bootstrap.ts";
import { getProject } from "./db/projects.ts";
import { serverConfigStore } from "./db/server_config.ts";
import { listenForMoves, MOVE_SOCKET } from "./cgroup/move_socket.ts";
import { nic } from "./devices/nic/nic.ts";
import { startDevlxd } from "./devlxd.ts";
import { ExecServer } from "./guest/exec_server.ts";
import { FilesPool } from "./guest/files/pool.ts";
import { readFacts } from "./host/facts.ts";
import { createIdentify } from "./http/auth.ts";
import { listenOptions, parseAddress } from "./http/address.ts";
import { Endpoint } from "./http/endpoint.ts";
import { type Listener, listenFd, listenUnix } from "./http/listeners.ts";
import { createRouter } from "./http/router.ts";
import { acceptWebsocket } from "./http/websocket.ts";
import { createHandlers, type HttpHandlers } from "./http/server.ts";
import { loadAuthority } from "./http/authority.ts";
import { imageChores } from "./images/chores.ts";
import { createImages } from "./images/create.ts";
import { removeImage } from "./images/remove.ts";
import { createUpkeep } from "./images/upkeep.ts";
import { createInstances } from "./instances/create.ts";
import { createRemoteHttp } from "./images/remote/http.ts";
import { createMigrations } from "./migration/service.ts";
import { createNetworks } from "./networks/create.ts";
import { firewallChore } from "./networks/firewall_watch.ts";
import { DnsEndpoint } from "./networks/dns/endpoint.ts";
import { createZones } from "./networks/dns/zones.ts";
import { createEvents } from "./operations/event_bus.ts";
import { createOperations } from "./operations/registry.ts";
import { Scheduler } from "./operations/scheduler.ts";
import { type DaemonOptions, parseOptions } from "./options.ts";
import { paths as pathsOf } from "./paths.ts";
import { allRoutes } from "./routes/all.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { legacyStorage } from "./legacy_storage.ts";
import { createSettings } from "./server_settings.ts";
import type { Services } from "./services.ts";
import { createStorage } from "./storage/create.ts";
import { repairVolumes } from "./storage/custom/repair.ts";
import { createServerVolumes } from "./storage/server_volumes.ts";

/** Run the daemon until it is told to end. @returns the exit status. */
export async function main(program: Program): Promise<number> {
  // For tools/build: the code cache holds what is compiled by now.
  if (program.args.includes("--compile-only")) return 0;
  let options: DaemonOptions;
  try {
    options = parseOptions(program.args);
    if (Deno.uid() !== 0) {
      throw new Fault("not_authorized", "the daemon must run as root", { hint: "Use sudo." });
    }
    return await serve(program, options);
  } catch (error) {
    const hint = error instanceof Fault && error.hint !== undefined ? `\n${error.hint}` : "";
    writeError(`Error: ${messageOf(error)}${hint}\n`);
    return 1;
  }
}

export { imageServe, imageTree } from "./image_tools.ts";
export { shiftIds } from "./shift_ids.ts";
export { sshServe } from "./ssh_server.ts";

/** The routes that are served, as an OpenAPI document. */
export function openapi(): string {
  // Handlers look at what they depend on when they are called, not when they are listed.
  return openapiText(allRoutes({} as never).map(({ row }) => row));
}

async function serve(program: Program, options: DaemonOptions): Promise<number> {
  const paths = pathsOf(Deno.env.get("LXD_DIR"));
  await makeFolders(paths);
  const events = createEvents();
  const log = openLog(options, paths.at("lxd.log"), events.logging);
  const onError = (what: string, error: unknown) =>
    log.error(`cannot ${what}, continuing`, { error });
  const databases = await openDatabases(paths, log);
  const helper = await installHelper(program, paths);
  const certificate = await serverCertificate(paths);
  const db = databases.global;

  const operations = createOperations({ events, log });
  const setting = async (key: string, project?: string) => {
    const own = project === undefined
      ? undefined
      : await db.read((tx) => getProject(tx, project)).catch((error) => {
        if (!isFaultOf(error, "not_found")) throw error; // Deleted meanwhile: the server's counts.
      });
    return own?.config[key] || await settings.value(key);
  };
  const images = createImages({ paths, db, helper, setting });
  const storage = createStorage({
    paths,
    db,
    images,
    helper,
    onError,
    runningUsers: (volume) => instances.runningUsers(volume),
    volumeUsers: (volume) => instances.volumeUsers(volume),
    isServers: (volume) => serverVolumes.has(volume),
  });
  const serverVolumes = createServerVolumes({ paths, storage, setting, onError });
  const networks = createNetworks({ paths, db, helper, onError });
  const instances = createInstances({
    paths,
    db,
    events,
    images,
    storage,
    networks,
    helper,
    deviceTypes: [nic],
    onChanged: (before, after) => devlxd.changed(before, after),
    onError,
  });
  const devlxd = await startDevlxd({
    paths,
    db,
    images,
    state: (id) => instances.actions.state(id),
    onError,
  });
  const backups = createBackups(instances.context, storage.custom);
  using programs = new ExecServer(helper);
  const services: Services = {
    paths,
    helper,
    programs,
    log,
    db,
    events,
    operations,
    images,
    storage,
    networks,
    instances,
  };

  const downloads = new AbortController();
  const upkeep = createUpkeep({
    db,
    ensure: images.ensure,
    setting,
    replaced: (before, after, signal) => storage.imageReplaced(before, after, signal),
    remove: (project, fingerprint) => removeImage(services, images, { project, fingerprint }),
    onError,
  });
  const scheduler = new Scheduler({
    chores: [
      ...instances.chores,
      ...storage.chores,
      ...backups.chores,
      firewallChore({ db, helper }),
      ...imageChores({ db, upkeep, setting, signal: downloads.signal }),
    ],
    onError,
  });
  events.onChange(() => scheduler.touch());

  let phase: "starting" | "ready" | "stopping" = "starting";
  const ready = Promise.withResolvers<void>();
  const end = Promise.withResolvers<number>();
  const https = new Endpoint({ defaultPort: 8443, certificate: () => certificate });
  const metrics = new Endpoint({ defaultPort: 9100, certificate: () => certificate });
  const dns = new DnsEndpoint({
    parse: (address) => listenOptions(parseAddress(address, 53)),
    findZone: createZones({ db, networks }),
  });
  const authority = await loadAuthority(paths);
  const settings = createSettings({
    store: serverConfigStore(databases.global, databases.local),
    effects: [
      {
        keys: ["core.https_address"],
        check: (next) => https.check(next["core.https_address"] ?? ""),
        apply: (next) => https.move(next["core.https_address"] ?? ""),
      },
      ...serverVolumes.effects,
      {
        keys: ["core.https_trusted_proxy"],
        apply: (next) => Promise.resolve(https.trust(next["core.https_trusted_proxy"] ?? "")),
      },
      {
        keys: ["images.remote_cache_expiry", "images.auto_update_interval"],
        stored: () => scheduler.touch(),
      },
      {
        keys: ["core.dns_address"],
        check: (next) => dns.check(next["core.dns_address"] ?? ""),
        apply: (next) => dns.move(next["core.dns_address"] ?? ""),
      },
      {
        keys: ["core.metrics_address"],
        check: (next) => metrics.check(next["core.metrics_address"] ?? ""),
        apply: (next) => metrics.move(next["core.metrics_address"] ?? ""),
      },
      legacyStorage({ services, pools: storage.pools, onError }),
    ],
  });

  const stopInstancesToo = async (force: boolean) => {
    phase = "stopping";
    log.info("shutting down, instances too");
    await scheduler.close();
    await operations.drain(force ? 0 : 30_000);
    await instances.stopAll();
    await networks.stopAll();
    await storage.close();
    await cleanState(paths);
  };

  const router = createRouter(allRoutes({
    identity: {
      facts: readFacts(),
      ...certificate,
      addresses: () => Promise.resolve(https.addresses()),
      storageDrivers: () => storage.supported(),
    },
    settings,
    authority,
    operations,
    events,
    images,
    upkeep,
    networks,
    storage,
    files: new FilesPool(helper),
    backups,
    migrations: createMigrations(instances.context, {
      http: createRemoteHttp({ setting }),
      accept: acceptWebsocket,
      custom: storage.custom,
    }),
    lifetime: {
      ready: ready.promise,
      shutdown: async ({ force }) => {
        await stopInstancesToo(force);
        // After the reply to this request.
        setTimeout(() => end.resolve(0), 50);
      },
      databasePath: databases.pathOf,
    },
  }));
  const handlerOptions = {
    services,
    log,
    identify: createIdentify({ db, settings, authority }),
    config: () => settings.raw(),
    refusal: () =>
      phase === "starting"
        ? "LXD daemon setup in progress"
        : phase === "stopping"
        ? "LXD is shutting down"
        : undefined,
  };
  const handlers = createHandlers({ ...handlerOptions, router });
  https.serve(handlers);
  metrics.serve(createHandlers({ ...handlerOptions, router: createRouter(metricsRoutes()) }));

  https.trust(await settings.value("core.https_trusted_proxy"));
  const group = await socketGroup(options.group, log);
  const local = await listenLocal(paths.at("unix.socket"), group, handlers);
  using _moves = await listenForMoves(paths.at(MOVE_SOCKET), group, () => programs.warm());
  for (
    const [endpoint, key] of [
      [https, "core.https_address"],
      [metrics, "core.metrics_address"],
      [dns, "core.dns_address"],
    ] as const
  ) {
    const address = await settings.value(key);
    await endpoint.move(address).catch((error) => onError(`listen on "${address}"`, error));
  }
  await storage.pools.repair();
  await repairVolumes(storage.custom);
  await serverVolumes.open();
  await networks.startAll();
  const { autostarted } = await instances.recover();
  await backups.recover();
  phase = "ready";
  // Who waits until it is ready expects the instances up, as with LXD; requests are served already.
  void autostarted.then(() => ready.resolve());
  scheduler.start();
  log.info("ready", { pid: Deno.pid });

  onSignals(["SIGTERM", "SIGINT", "SIGQUIT"], () => end.resolve(0));
  onSignals(["SIGPWR"], () => void stopInstancesToo(false).then(() => end.resolve(0)));
  const status = await end.promise;

  phase = "stopping";
  instances.leave();
  downloads.abort();
  await scheduler.close();
  events.close();
  await Promise.all([local.close(), https.close(), metrics.close(), dns.close(), devlxd.close()]);
  if (!isSocketHandedOver()) await removeIfThere(paths.at("unix.socket"));
  databases.global.close();
  databases.local.close();
  return status;
}

/** The unix socket, or the one that the service manager handed over. */
async function listenLocal(
  path: string,
  group: number,
  handlers: HttpHandlers,
): Promise<Listener> {
  if (isSocketHandedOver()) return await listenFd(3, handlers);
  return await listenUnix(path, group, handlers);
}

/** By the service manager, which keeps it for the next start. @see sd_listen_fds(3) */
function isSocketHandedOver(): boolean {
  return Number(Deno.env.get("LISTEN_FDS") ?? 0) > 0 &&
    Deno.env.get("LISTEN_PID") === String(Deno.pid);
}

function onSignals(signals: readonly Deno.Signal[], run: () => void): void {
  for (const signal of signals) Deno.addSignalListener(signal, run);
}

function openLog(
  options: DaemonOptions,
  defaultFile: string,
  observe: (record: import("#base/log.ts").LogRecord) => void,
): Logger {
  const file = Deno.openSync(options.logFile ?? defaultFile, { append: true, create: true });
  const encoder = new TextEncoder();
  const { level, format } = options;
  return new Logger({
    level,
    format,
    observe,
    write: (line) => {
      const bytes = encoder.encode(line);
      file.writeSync(bytes);
      try {
        Deno.stderr.writeSync(bytes);
      } catch {
        // Ignored: nobody reads standard error any more.
      }
    },
  });
}

/** What a clean shutdown leaves empty, as LXD does. */
async function cleanState(paths: ReturnType<typeof pathsOf>): Promise<void> {
  for (const folder of ["devices", "shmounts", "security/seccomp"]) {
    for await (const { name } of Deno.readDir(paths.at(folder))) {
      await Deno.remove(paths.at(folder, name), { recursive: true })
        .catch(() => undefined); // Ignored: in use by an instance that runs on.
    }
  }
}

function writeError(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
