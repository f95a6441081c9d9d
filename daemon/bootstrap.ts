/** What must lie under the state directory before anything else: folders, databases, certificate, helper. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { addressBytes } from "#base/ip.ts";
import type { Logger } from "#base/log.ts";
import type { Program } from "#base/program.ts";
import { fingerprintOf, fromPem, selfSigned } from "#base/x509.ts";
import type { Database } from "#daemon/db/db.ts";
import { isOutdated, migrate } from "#daemon/db/migrate.ts";
import { openDatabase } from "#daemon/db/open.ts";
import type { ServerCertificate } from "#daemon/http/listeners.ts";
import { GLOBAL_MIGRATIONS, LOCAL_MIGRATIONS } from "#daemon/db/schema.ts";
import { ifThere, readIfThere, removeTree } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";

const FOLDERS: readonly (readonly [path: string, mode: number])[] = [
  ["", 0o711],
  ["checkpoints", 0o700],
  ["containers", 0o711],
  ["database/global", 0o700],
  ["devices", 0o711],
  ["devlxd", 0o755],
  ["disks", 0o700],
  ["images", 0o700],
  ["networks", 0o711],
  ["security/apparmor/cache", 0o700],
  ["security/apparmor/profiles", 0o700],
  ["security/seccomp", 0o700],
  ["shmounts", 0o711],
  ["snapshots", 0o700],
  ["storage-pools", 0o711],
  ["backups/custom", 0o700],
  ["backups/instances", 0o700],
];

/** Idempotent: what is there gets its mode again; what is a link to a volume is left alone. */
export async function makeFolders(paths: Paths): Promise<void> {
  for (const [path, mode] of FOLDERS) {
    // On a volume: storage.images_volume and storage.backups_volume.
    if (await isLink(paths.at(path.split("/")[0] ?? ""))) continue;
    const target = path === "" ? paths.root : paths.at(path);
    await Deno.mkdir(target, { recursive: true, mode });
    await Deno.chmod(target, mode);
  }
  await Deno.mkdir(paths.logs, { recursive: true, mode: 0o700 });
}

async function isLink(path: HostPath): Promise<boolean> {
  return await Deno.lstat(path).then((info) => info.isSymlink, () => false);
}

export interface Databases {
  readonly global: Database;
  readonly local: Database;
  readonly pathOf: (name: string) => string | undefined;
}

/** Open both databases; an administrator's database/patch.global.sql is applied once. */
export async function openDatabases(paths: Paths, log: Logger): Promise<Databases> {
  const files: Readonly<Record<string, HostPath>> = {
    global: paths.at("database/global/db.bin"),
    local: paths.at("database/local.db"),
  };
  const patchFile = paths.at("database/patch.global.sql");
  const patch = await readIfThere(patchFile);
  const isOld = isOutdated(files["global"] ?? "", GLOBAL_MIGRATIONS);
  if (isOld || patch !== undefined) await backUpGlobal(paths);
  migrate(files["local"] ?? "", LOCAL_MIGRATIONS);
  migrate(files["global"] ?? "", GLOBAL_MIGRATIONS, patch);
  if (patch !== undefined) {
    log.warn("applied database/patch.global.sql");
    await Deno.remove(patchFile);
  }
  return {
    global: openDatabase(files["global"] ?? ""),
    local: openDatabase(files["local"] ?? ""),
    pathOf: (name) => files[name],
  };
}

/** Keep the global database as it is: if the change goes wrong, people copy it back. */
async function backUpGlobal(paths: Paths): Promise<void> {
  const [from, to] = [paths.at("database/global"), paths.at("database/global.bak")];
  await removeTree(to);
  await Deno.mkdir(to, { mode: 0o700 });
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile && name.startsWith("db.bin")) {
      await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  }
}

/**
 * server.crt and server.key, made at the first start.
 *
 * @throws if they are there and can't be read: clients know this server by them, so they are not replaced.
 */
export async function serverCertificate(paths: Paths): Promise<ServerCertificate> {
  const [certificate, key] = [paths.at("server.crt"), paths.at("server.key")];
  let certificatePem = await readIfThere(certificate);
  let keyPem = await readIfThere(key);
  if (certificatePem === undefined || keyPem === undefined) {
    const hostname = Deno.hostname();
    const made = await selfSigned({
      kind: "server",
      commonName: `root@${hostname}`,
      dnsNames: [hostname],
      addresses: ["127.0.0.1", "::1"].map(addressBytes).filter((one) => one !== undefined),
    });
    ({ certificatePem, keyPem } = made);
    await Deno.writeTextFile(key, keyPem, { mode: 0o600 });
    await Deno.writeTextFile(certificate, certificatePem, { mode: 0o644 });
  }
  return { certificatePem, keyPem, fingerprint: await fingerprintOf(fromPem(certificatePem)) };
}

/** Write the C helper where only root can replace it, its hash in the name. */
export async function installHelper(program: Program, paths: Paths): Promise<HostPath> {
  const bytes = await program.helper();
  const hash = (await fingerprintOf(bytes)).slice(0, 16);
  const folder = paths.at("helper");
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const path = hostPath(`${folder}/helper-${hash}`);
  const info = await Deno.stat(path).catch(ifThere);
  if (info?.size === bytes.length) return path;
  await Deno.writeFile(`${path}.new`, bytes, { mode: 0o700 });
  await Deno.rename(`${path}.new`, path);
  return path;
}

/** Group id that may use the socket: --group, else the group "lxd", else root with a warning. */
export async function socketGroup(name: string | undefined, log: Logger): Promise<number> {
  const text = await readIfThere("/etc/group") ?? "";
  const groups = new Map(
    text.split("\n").map((line) => line.split(":")).map(([group = "", , id = ""]) => [group, id]),
  );
  const id = groups.get(name ?? "lxd");
  if (id !== undefined) return Number(id);
  if (name !== undefined) {
    throw new Fault("bad_request", `there is no group "${name}"`, {
      hint: `Create it: groupadd --system ${name}`,
    });
  }
  log.warn('there is no group "lxd": only root can use the socket', {
    hint: "groupadd --system lxd && usermod -aG lxd USER",
  });
  return 0;
}
