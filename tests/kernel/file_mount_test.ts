/** `lxc file mount`: an SFTP server for others, and a mount by sshfs. */
import { OURS } from "#tests/world/daemon.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `filemount${Deno.pid}`;
let world: InstanceDaemon;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 33 });
  await world.launch(NAME);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A `file mount` that runs until disposed, and the first thing that it says. */
async function mounting(words: readonly string[], ending: Deno.Signal = "SIGTERM") {
  const child = new Deno.Command(OURS.lxc, {
    args: ["file", "mount", ...words],
    env: world.daemon.env,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!/Login|mounting/.test(said)) {
    const { value, done } = await reader.read();
    if (done) break;
    said += value;
  }
  return {
    said,
    async [Symbol.asyncDispose]() {
      await reader.cancel();
      child.kill(ending);
      await child.status;
    },
  };
}

function sftp(said: string, commands: string) {
  const port = /listening on 127\.0\.0\.1:(\d+)/.exec(said)?.[1] ?? "";
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"];
  const words = options.flatMap((option) => ["-o", option]);
  const argv = ["sftp", ...words, "-P", port, "-b", "-", "root@127.0.0.1"];
  return run(["sh", "-c", 'printf "$0" | exec "$@"', commands, ...argv], { limitMs: 20_000 });
}

Deno.test("file mount: others read and write over SFTP, and nobody without the password", async () => {
  await using open = await mounting([NAME, "--listen", "127.0.0.1:0", "--no-auth"]);
  const ended = await sftp(open.said, "mkdir /root/made\\nput /etc/hostname /root/made/host\\n");
  assert.equal(ended.status, 0, ended.stderr);
  const { text } = await world.api.ask(
    "GET",
    `/1.0/instances/${NAME}/files?path=/root/made/host`,
  );
  assert.equal(text, await Deno.readTextFile("/etc/hostname"));

  await using closed = await mounting([NAME, "--listen", "127.0.0.1:0", "--auth-user", "me"]);
  assert.match(closed.said, /Login with username "me" and password "[0-9a-f]{16}"/);
  const refused = await sftp(closed.said, "ls /\\n");
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /Permission denied/);
});

const hasFuse = await Deno.stat("/dev/fuse").then(() => true, () => false);
if (!hasFuse) console.log("skipped, needs /dev/fuse: file mount by sshfs");

async function mountAndLook(ending: Deno.Signal) {
  const target = await Deno.makeTempDir({ prefix: "lxd-file-mount-" });
  try {
    await using _mounted = await mounting([`${NAME}/etc`, target], ending);
    const names = () => [...Deno.readDirSync(target)].map(({ name }) => name);
    for (let tries = 0; !names().includes("passwd") && tries < 50; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(names().includes("passwd"), names().join(" "));
  } finally {
    // Fails while something is mounted there.
    await Deno.remove(target);
  }
}

for (const ending of ["SIGTERM", "SIGINT"] as const) {
  Deno.test({
    name: `file mount: a folder of an instance is mounted here until the command gets ${ending}`,
    ignore: !hasFuse,
    fn: () => mountAndLook(ending),
  });
}

Deno.test("file mount: what can't be served is refused at once", async () => {
  const lxc = async (...words: string[]) => {
    const options = { env: world.daemon.env, limitMs: 10_000 };
    const { status, stderr } = await run([OURS.lxc, "file", "mount", ...words], options);
    return [status, stderr] as const;
  };
  const [status, stderr] = await lxc(`${NAME}off`, "--listen", "127.0.0.1:0");
  assert.equal(status, 1);
  assert.match(stderr, /Instance not found/);
  assert.match((await lxc(NAME, "/nosuch/folder"))[1], /nosuch/);
  assert.match((await lxc(`${NAME}/etc`, "--listen", "127.0.0.1:0"))[1], /cannot be used/);
});
