/** Ansible's LXD modules (Debian's package ansible), on the socket and over TLS. */
import { selfSigned } from "#base/x509.ts";
import { type Api, apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { run } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isInstalled } from "./installed.ts";

const PLAY = new URL("./ansible_play.yml", import.meta.url).pathname;
const ADDRESS = "127.0.0.1:8443";
const LIMIT_MS = 300_000;

/** Over TLS only a few: each takes Ansible a second. */
const OVER_TLS = ["project made", "started", "gone", "project gone"];

/** The tasks that must change something; the others must find all as it should be. */
const CHANGING = [
  ...["project made", "profile made", "profile changed", "started", "configured", "frozen"],
  ...["thawed", "restarted", "stopped", "in a project", "out of the project", "gone"],
  ...["profile renamed", "profile gone", "project gone"],
];

/** It is large, and wanted by nothing else: tools/bootstrap ansible. */
const hasAnsible = await isInstalled("/usr/bin/ansible-playbook", "ansible");

let daemon: TestDaemon;
let api: Api;

Deno.test.beforeAll(async () => {
  if (!hasAnsible) return;
  daemon = await TestDaemon.start({ ...OURS });
  api = apiOf(daemon);
  await api.do("POST", "/1.0/storage-pools", { name: "ansible", driver: "dir", config: {} });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "ansible" } },
  });
  const source = { type: "build", alias: "busybox" };
  await api.do("POST", "/1.0/images", { source, aliases: [{ name: "tiny" }] });
  const config = { "core.https_address": ADDRESS, "core.trust_password": "sesame" };
  await api.do("PUT", "/1.0", { config });
  const pair = await selfSigned({ kind: "client", commonName: "ansible" });
  await Deno.writeTextFile(`${daemon.folder}/client.crt`, pair.certificatePem);
  await Deno.writeTextFile(`${daemon.folder}/client.key`, pair.keyPem);
});
Deno.test.afterAll(async () => {
  if (hasAnsible) await daemon[Symbol.asyncDispose]();
});

interface Task {
  readonly task: { readonly name: string };
  readonly hosts: {
    readonly localhost: {
      readonly changed?: boolean;
      readonly failed?: boolean;
      readonly msg?: string;
    };
  };
}

/** Play it in the network of the daemon. @returns the tasks in order */
async function play(word: string, vars: object, ...args: string[]): Promise<readonly Task[]> {
  const name = `ansible${word}${Deno.pid}`;
  const names = { name, profile: `p-${name}`, project: `j-${name}`, folder: daemon.folder };
  const { stdout, stderr } = await run([
    ...["nsenter", "-t", `${daemon.pid}`, "-n", "--", "ansible-playbook", ...args],
    ...["-i", "localhost,", "-e", JSON.stringify({ ...vars, ...names }), PLAY],
  ], {
    limitMs: LIMIT_MS,
    env: {
      HOME: daemon.folder,
      ANSIBLE_HOME: `${daemon.folder}/ansible`,
      ANSIBLE_LOCAL_TEMP: `${daemon.folder}/ansible/tmp`,
      ANSIBLE_STDOUT_CALLBACK: "json",
      SSL_CERT_FILE: `${daemon.directory}/server.crt`,
      LC_ALL: "C.UTF-8",
    },
  });
  assert.ok(stdout.startsWith("{"), stdout + stderr);
  return JSON.parse(stdout).plays[0].tasks;
}

const named = (tasks: readonly Task[], what: "changed" | "failed") =>
  tasks.filter(({ hosts }) => hosts.localhost[what] === true).map(({ task, hosts }) =>
    what === "failed" ? `${task.name}: ${hosts.localhost.msg}` : task.name
  );

Deno.test({
  name: "ansible: the modules for projects, profiles and containers change what they must, once",
  ignore: !hasAnsible,
  async fn() {
    const server = `unix:${daemon.directory}/unix.socket`;
    const profiles = ["default", `p-ansiblea${Deno.pid}`];

    const tasks = await play("a", { server, profiles });

    assert.deepEqual(named(tasks, "failed"), ["refused: Image not found"]);
    assert.deepEqual(named(tasks, "changed"), CHANGING);
    assert.deepEqual(await api.get("/1.0/instances"), []);
  },
});

Deno.test({
  name: "ansible: the modules work over TLS, and show the trust password with every task",
  ignore: !hasAnsible,
  async fn() {
    const vars = { server: `https://${ADDRESS}`, password: "sesame", profiles: ["default"] };

    const tasks = await play("b", vars, "--tags", "tls");

    assert.deepEqual(named(tasks, "failed"), []);
    assert.deepEqual(named(tasks, "changed"), OVER_TLS);
    assert.equal((await api.get("/1.0/certificates")).length, 1);
  },
});
