/** dist/lxd as a program: whoever calls it, from wherever, in whatever environment. */
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must, run, type RunOptions } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const VERSION = "5.0.2\n";
/** A word that needs the daemon's part, and no daemon. */
const DEEP = "openapi";
let folder: string;
/** A copy that may be changed. */
let copy: string;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-binary." });
  await Deno.chmod(folder, 0o755);
  copy = `${folder}/lxd`;
  await Deno.copyFile(OURS.lxd, copy);
  await Deno.chmod(copy, 0o755);
});
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

const shell = (script: string, options: RunOptions = {}) =>
  must(["bash", "-euc", script], { ...options, env: { L: copy, D: folder, ...options.env } });

/** Both parts of the program work when called like this. */
async function assertWorks(before: readonly string[], options: RunOptions = {}): Promise<void> {
  assert.equal(await must([...before, copy, "--version"], options), VERSION);
  assert.match(await must([...before, copy, DEEP], options), /"openapi": "3\.1\.0"/);
}

Deno.test("binary: its name decides: lxc is the client, by link, by PATH and by exec -a", async () => {
  await Deno.symlink("lxd", `${folder}/lxc`);
  const usage = async (script: string) => (await shell(script)).match(/^ {2}(lx\w) \[/m)?.[1];

  assert.equal(await usage("$D/lxc --help"), "lxc");
  assert.equal(await usage("PATH=$D lxc --help"), "lxc");
  assert.equal(await usage("$L --help"), "lxd");
  assert.equal(await usage("exec -a foo $L --help"), "lxd");
  // Deno itself is another program under a name that ends in "dx".
  assert.equal(await shell("exec -a xdx $L --version"), VERSION);
});

Deno.test("binary: arguments are its own, whatever they look like", async () => {
  for (const word of ["ü €", "a b", "n\nl", "$HOME", "'\""]) {
    const { status, stderr } = await run([`${folder}/lxc`, word]);
    assert.equal(status, 1);
    assert.ok(stderr.includes(`unknown command "${word}"`), stderr);
  }
  for (const flag of ["--v8-options", "--inspect", "-A", "--allow-all", "--config=/x"]) {
    const { status, stdout, stderr } = await run([`${folder}/lxc`, "list", flag]);
    assert.equal(status, 1, `${flag}: ${stdout}`);
    assert.match(stderr, /unknown (shorthand )?flag/, flag);
  }
  assert.equal(await shell("$D/lxc list $(seq 20000) || echo status $?"), "status 1\n");
});

Deno.test("binary: neither the working directory nor the home directory matter", async () => {
  await Deno.mkdir(`${folder}/cwd/node_modules/ws`, { recursive: true });
  const files = {
    "deno.json": "{ bad json",
    "package.json": "{ bad",
    "deno.lock": "garbage",
    ".env": "DENO_X=1",
    ".npmrc": "registry=::bad",
    "tsconfig.json": "{bad",
    "import_map.json": '{"imports":{"node:vm":"./evil.js"}}',
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/cwd/${name}`, text);
  }
  const names = () => [...Deno.readDirSync(`${folder}/cwd`)].map(({ name }) => name).toSorted();
  const before = names();

  await assertWorks([], { cwd: `${folder}/cwd`, env: { HOME: `${folder}/cwd` } });

  assert.deepEqual(names(), before);
});

Deno.test("binary: exec tells the daemon before it starts, and nothing else does", async () => {
  const state = `${folder}/state`;
  await Deno.mkdir(state);
  const listener = Deno.listen({ transport: "unix", path: `${state}/move.socket` });
  let told = 0;
  const listening = (async () => {
    for await (const connection of listener) {
      connection.close();
      told++;
    }
  })();
  const call = async (...words: string[]) => {
    const { status } = await run([copy, ...words], { env: { LXD_DIR: state } });
    return { status, told };
  };

  assert.deepEqual(await call("exec", "c1", "--", "true"), { status: 1, told: 1 });
  assert.deepEqual(await call("shell", "c1"), { status: 1, told: 2 });
  assert.deepEqual(await call("list"), { status: 1, told: 2 });
  assert.deepEqual(await call("executive"), { status: 1, told: 2 });
  listener.close();
  await listening;
  const long = { LXD_DIR: `/${"x".repeat(107)}` };
  assert.equal((await run([copy, "exec", "c1", "--", "true"], { env: long })).status, 1);
});

/** Variables by which Deno, V8 or Node could be told to do something else. */
const HOSTILE = {
  DENO_V8_FLAGS: "--bogus,--help",
  NODE_OPTIONS: "--bad",
  DENO_LOG: "debug",
  RUST_LOG: "trace",
  DENO_DIR: "/proc/x",
  DENO_AUTO_SERVE: "1",
  DENO_CERT: "/nowhere",
  DENO_TLS_CA_STORE: "bogus",
  DENO_COVERAGE_DIR: "/nowhere",
  DENO_PERMISSION_BROKER_PATH: "/x",
  DENO_UNSTABLE_CONTROL_SOCK: "/x",
  DENO_TRACE_PERMISSIONS: "1",
  NODE_CHANNEL_FD: "3",
  OTEL_DENO: "true",
  DENO_COMPAT: "1",
  DENO_JOBS: "x",
};

Deno.test("binary: no variable changes what it is", async () => {
  await assertWorks([], { env: HOSTILE });
  await assertWorks(["env", "-i"]);
  await assertWorks(["env", "-u", "HOME", "-u", "PATH"]);
  await assertWorks([], { env: { HOME: "/dev/null" } });
  await assertWorks([], {
    env: { LD_BIND_NOW: "1", LD_PRELOAD: "/lib/x86_64-linux-gnu/libm.so.6" },
  });
  const big = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [`V${index}`, "x".repeat(120_000)]),
  );
  await assertWorks([], { env: big });
});

Deno.test("binary: any user may call it, also one that no file knows", async () => {
  const as = (id: string) => ["setpriv", "--reuid", id, "--regid", id, "--clear-groups"];

  await assertWorks([...as("65534"), "env", "-i"]);
  await assertWorks([...as("54321"), "env", "-i"]);
  const { status, stderr } = await run([...as("65534"), copy, "daemon"]);
  assert.deepEqual([status, stderr.includes("must run as root")], [1, true]);
});

Deno.test("binary: it needs to write nowhere", async () => {
  const script = "mount --make-rprivate /; mount -o remount,bind,ro / && " +
    "! touch $D/x 2>/dev/null; $L --version; $L openapi | head -c 20 | wc -c";

  assert.equal(
    await must(["unshare", "-m", "sh", "-c", script], { env: { L: copy, D: folder } }),
    `${VERSION}20\n`,
  );
});

Deno.test("binary: closed and broken standard streams are no reason to fail", async () => {
  assert.equal(await shell('"$L" --version <&-'), VERSION);
  assert.equal(await shell('"$L" --version <&- 2>&-'), VERSION);
  assert.equal(await shell(`set -o pipefail; "$L" ${DEEP} | head -c 1`), "{");
  assert.equal(
    (await shell('script -qec "$L --version" /dev/null')).replace("\r", ""),
    VERSION,
  );
  assert.equal(await shell('$D/lxc frobnicate 2>/dev/null || echo "status $?"'), "status 1\n");
});

Deno.test("binary: small stacks, fixed addresses and stripping leave it whole", async () => {
  await assertWorks(["bash", "-c", 'ulimit -S -s 1024; exec "$@"', "-"]);
  await assertWorks(["setarch", "-R"]);
  await shell("strip -o $D/stripped $L; $D/stripped --version; $D/stripped openapi >$D/out");
  await shell("objcopy --strip-debug $D/stripped; $D/stripped --version >$D/out");
  assert.equal(await Deno.readTextFile(`${folder}/out`), VERSION);
});

Deno.test("binary: it is a clean ELF that needs what Deno needs, and asks no network", async () => {
  const libraries = (file: string) => shell(`ldd ${file} | awk '{print $1}'`);

  assert.match(await must(["file", "-L", copy]), /ELF 64-bit LSB pie executable/);
  assert.equal(await libraries("$L"), await libraries(Deno.execPath()));
  assert.equal(await shell("readelf -lW $L 2>&1 >/dev/null"), "");
  assert.equal(
    await shell(
      `strace -f -e trace=connect -o $D/trace "$L" ${DEEP} >/dev/null; ` +
        "grep -c AF_INET $D/trace || true",
    ),
    "0\n",
  );
});

Deno.test("binary: a daemon whose file is replaced or deleted goes on, and is called what it is", async () => {
  const file = `${folder}/running-lxd`;
  await Deno.copyFile(OURS.lxd, file);
  await Deno.chmod(file, 0o755);
  await using daemon = await TestDaemon.start({ lxd: file, lxc: OURS.lxc });
  await Deno.remove(file);

  assert.equal(await Deno.readTextFile(`/proc/${daemon.pid}/comm`), "running-lxd\n");
  assert.ok((await must(["ps", "-o", "args=", "-p", `${daemon.pid}`])).startsWith(`${file} `));
  await daemon.lxc(["storage", "create", "p", "dir"]);
  assert.match(await daemon.lxc(["storage", "list", "-f", "csv"]), /^p,dir,/);
});
