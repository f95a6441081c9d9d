/** A gibibyte each way over TLS, to and from peers that stop in between: the daemon keeps none of it. */
import { selfSigned } from "#base/x509.ts";
import { must } from "#tests/world/run.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

const MEGABYTE = 1024 * 1024;
const SIZE = 1024 * MEGABYTE;
/** The target of the project. */
const GROWTH_MAX = 64 * MEGABYTE;
const BINARY = "Content-Type: application/octet-stream";
const NAME = `slow${Deno.pid}`;
const LIMIT_MS = 120_000;

let world: InstanceDaemon;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 46 });
  const { api, daemon: { folder } } = world;
  await api.do("PATCH", "/1.0", { config: { "core.https_address": "127.0.0.1:8443" } });
  const pair = await selfSigned({ kind: "client", commonName: "slow" });
  await Deno.writeTextFile(`${folder}/client.crt`, pair.certificatePem);
  await Deno.writeTextFile(`${folder}/client.key`, pair.keyPem);
  const certificate = pair.certificatePem.replaceAll(/-----.*-----|\n/g, "");
  await api.do("POST", "/1.0/certificates", { type: "client", name: "slow", certificate });
  await world.create(NAME);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const status = async (field: string) => {
  const text = await Deno.readTextFile(`/proc/${world.daemon.pid}/status`);
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
};

/** By how much the daemon's memory grows at most while `run` goes on. */
async function growth(run: () => Promise<void>): Promise<number> {
  await Deno.writeTextFile(`/proc/${world.daemon.pid}/clear_refs`, "5");
  const before = await status("VmRSS");
  await run();
  return await status("VmHWM") - before;
}

/** A shell line in the network of the daemon, where $curl is curl with our certificate. */
async function shell(line: string): Promise<string> {
  const { pid, folder } = world.daemon;
  const curl = `curl -sSk --cert ${folder}/client.crt --key ${folder}/client.key`;
  return await must([
    ...["nsenter", "-t", `${pid}`, "-n", "--", "bash", "-o", "pipefail", "-ec"],
    `cd ${folder}; at=https://127.0.0.1:8443/1.0; ${line.replaceAll("$curl", curl)}`,
  ], { limitMs: LIMIT_MS });
}

/** A peer that reads or writes a little, stops for two seconds, and goes on as fast as it can. */
const STALL = "{ head -c 65536; sleep 2; cat; }";

async function assertFrugal(what: string, line: string): Promise<string> {
  let output = "";
  const grown = await growth(async () => {
    output = await shell(line);
  });
  assert.ok(grown < GROWTH_MAX, `${what}: grew by ${Math.round(grown / MEGABYTE)} MiB`);
  return output.trim();
}

/** The operation of an answer must end well. @returns its metadata */
async function ended(answer: string) {
  const { operation, error } = JSON.parse(answer);
  assert.ok(operation, error);
  const { status, err, metadata } = await world.api.get(`${operation}/wait?timeout=120`);
  assert.equal(status, "Success", err);
  return metadata;
}

Deno.test("slow transfer: an image goes in and out", async () => {
  await shell(
    "mkdir -p image/rootfs; truncate -s 1G image/rootfs/zeros; " +
      "printf 'architecture: x86_64\\ncreation_date: 1\\n' >image/metadata.yaml; " +
      "tar -C image -cf image.tar metadata.yaml rootfs",
  );

  const posted = await assertFrugal(
    "import",
    `${STALL} <image.tar | $curl -X POST -H "${BINARY}" -T - $at/images`,
  );
  const { fingerprint } = await ended(posted);
  const bytes = await assertFrugal(
    "export",
    `$curl $at/images/${fingerprint}/export | ${STALL} | wc -c`,
  );

  assert.equal(Number(bytes), (await Deno.stat(`${world.daemon.folder}/image.tar`)).size);
  await world.api.do("DELETE", `/1.0/images/${fingerprint}`);
});

Deno.test("slow transfer: a file goes into an instance and out", async () => {
  const file = `$at/instances/${NAME}/files?path=/zeros`;

  await assertFrugal(
    "push",
    `head -c ${SIZE} /dev/zero | ${STALL} | $curl -f -X POST -T - "${file}"`,
  );
  const bytes = await assertFrugal("pull", `$curl -f "${file}" | ${STALL} | wc -c`);

  assert.equal(Number(bytes), SIZE);
});

Deno.test("slow transfer: a backup comes in as an instance", async () => {
  const { api } = world;
  const [name, at] = [`${NAME}b`, `/1.0/instances/${NAME}b`];
  await world.create(name);
  await api.do("POST", `${at}/backups`, { name: "b", compression_algorithm: "none" });
  await shell(
    `$curl -f $at/instances/${name}/backups/b/export >backup.tar; ` +
      "mkdir -p backup/container/rootfs; truncate -s 1G backup/container/rootfs/zeros; " +
      "tar -rf backup.tar backup/container/rootfs/zeros",
  );
  await api.do("DELETE", at);

  const posted = await assertFrugal(
    "import",
    `${STALL} <backup.tar | $curl -X POST -H "${BINARY}" -T - $at/instances`,
  );
  await ended(posted);

  assert.equal((await api.get(at)).name, name);
  await api.do("DELETE", at);
});
