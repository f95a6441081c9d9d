/** lxd fuidshift on real trees: what the kernel says of them before, in between and after. Needs root. */
import { createUserNamespace } from "#ffi/libc/process.ts";
import { OURS } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const FUIDSHIFT = OURS.lxd.replace(/lxd$/, "fuidshift");
const HELPER = OURS.lxd.replace(/lxd$/, "helper");
const RANGE = "b:0:100000:65536";
const ROOT_MAP = "0 100000 65536\n";

/** A directory that goes away, however deep. */
async function workspace(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-shift." });
  await Deno.chmod(path, 0o755);
  const dispose = () => must(["rm", "-rf", "--one-file-system", path]).then(() => undefined);
  return { path, [Symbol.asyncDispose]: dispose };
}

const shell = (cwd: string, script: string) => must(["bash", "-euc", script], { cwd });

const TREE = `
mkdir -p bin etc/empty dev home/user/.cache; cd bin
echo su >su; chmod 6755 su; echo at >at; chown 1:1 at; chmod 4711 at
echo ping >ping; setcap cap_net_raw+ep ping
echo both >both; chown 7:9 both; chmod 2755 both; setcap cap_chown,cap_fowner=eip both
ln ping ping6; ln -s su sh; ln -s /etc/passwd outside; ln -s nowhere dangling
chown -h 33:44 sh; cd ../dev
mknod null c 1 3; mknod sda b 8 0; mkfifo -m 640 pipe; chown 0:6 sda; cd ../home
chown 1000:1001 user user/.cache; chmod 2770 user; chmod 1777 user/.cache
setfacl -m u:1002:rwx,g:1003:r-x,d:u:1002:rwx,d:g:65535:r user
echo text >user/file; chown 1000:1000 user/file; setfacl -m u:0:r,u:1005:rw,m:r user/file
chmod u+s user/file; setfacl -m u:5:r ../dev/pipe; printf x >"$(printf 'n\\nl \\xff')"
`;

/** Everything about a tree but change times, as whoever looks sees it. */
const DUMP = `find . -print0 | sort -z >"$LIST"
xargs -0 stat -c '%n %F %u:%g %a %h %t:%T %s %Y' <"$LIST"
xargs -0 getfattr -h -d -e hex -m '^(security.capability|system.posix)' <"$LIST"
`;

async function dump(tree: string, enter: readonly string[] = []): Promise<string> {
  const env = { LIST: `${tree}.list`, LC_ALL: "C" };
  await Deno.writeTextFile(env.LIST, "");
  await Deno.chmod(env.LIST, 0o666);
  return await must([...enter, "bash", "-euc", DUMP], { cwd: tree, env });
}

Deno.test("fuidshift: a tree goes into a map and back bit for bit, and is in it what it was", async () => {
  await using space = await workspace();
  const tree = `${space.path}/tree`;
  await Deno.mkdir(tree);
  await shell(tree, TREE);
  using users = await createUserNamespace(HELPER, { uid: ROOT_MAP, gid: ROOT_MAP });
  const enter = ["nsenter", `--user=/proc/${Deno.pid}/fd/${users.fd}`, "-S", "0", "-G", "0"];
  const before = await dump(tree);

  await must([FUIDSHIFT, tree, RANGE]);
  const between = await dump(tree);
  const inside = await dump(tree, enter);
  await must([FUIDSHIFT, tree, "--reverse", RANGE]);
  const after = await dump(tree);

  assert.equal(inside, before);
  assert.equal(after, before);
  assert.doesNotMatch(between, /(file|link|directory|fifo) (\d{1,5}:|\d+:\d{1,5} )/);
  assert.match(between, /bin\/su regular file 100000:100000 6755 1 /);
  assert.match(between, /bin\/both regular file 100007:100009 2755 1 /);
  // Revision 3, and 100000 as the root that it belongs to.
  assert.match(between, /bin\/ping\nsecurity\.capability=0x01000003.*a0860100\n/);
  assert.match(before, /bin\/ping\nsecurity\.capability=0x01000002/);
  const { uid } = await Deno.stat("/etc/passwd");
  assert.equal(uid, 0);
});

Deno.test("fuidshift: what is in no range stays as it is, and what is mounted stays alone", async () => {
  await using space = await workspace();
  const { path } = space;
  await shell(
    path,
    `mkdir -p tree/mounted other; cd tree; touch acl cap none suid ../other/file
    setfacl -m u:3:r,u:70000:rw,g:70001:x acl
    chown 5:70000 cap; setcap -n 70000 cap_net_raw+ep cap
    chown 70000:70000 none suid; chmod 6755 suid`,
  );

  const { status, stdout, stderr } = await run([
    "unshare",
    "--mount",
    "bash",
    "-euc",
    'mount --bind other tree/mounted; "$0" tree "$1"',
    FUIDSHIFT,
    RANGE,
  ], { cwd: path });

  assert.equal(status, 0, stderr);
  assert.equal(stdout, "");
  assert.equal(stderr, 'Left alone, something is mounted there: "tree/mounted"\n');
  assert.equal(
    await shell(path, "stat -c '%n %u:%g %a' tree tree/* other other/*"),
    "tree 100000:100000 755\ntree/acl 100000:100000 674\ntree/cap 100005:70000 644\n" +
      "tree/mounted 0:0 755\ntree/none 70000:70000 644\ntree/suid 70000:70000 6755\n" +
      "other 0:0 755\nother/file 0:0 644\n",
  );
  assert.equal(
    await shell(path, "getfacl -ncE tree/acl | grep :[1-9]"),
    "user:70000:rw-\nuser:100003:r--\ngroup:70001:--x\n",
  );
  assert.match(await shell(path, "getcap -n tree/cap"), /cap_net_raw.*\[rootid=70000\]/);
});

Deno.test("fuidshift --test: says what would be done, in LXD's words, and does nothing", async () => {
  await using space = await workspace();
  await shell(
    space.path,
    "mkdir -p t/b; cd t; touch a 'q\"'; ln a b/hard; chown 9:70000 b; ln -s a z; touch $'\\e\\x85é'",
  );
  const before = await dump(`${space.path}/t`);

  const text = await must([FUIDSHIFT, "./t/", "-t", "u:9:5:1", RANGE], { cwd: space.path });

  const lines = [
    ["t", "100000 100000"],
    ["t/\\x1b\\x85é", "100000 100000"],
    ["t/a", "100000 100000"],
    ["t/b", "5 -1"],
    ['t/q\\"', "100000 100000"],
    ["t/z", "100000 100000"],
  ];
  assert.equal(
    text,
    lines.map(([path, ids]) => `I would shift "${path}" to ${ids}\n`).join(""),
  );
  assert.equal(await dump(`${space.path}/t`), before);
});

Deno.test("fuidshift: a tree may be deeper than files can be open", async () => {
  await using space = await workspace();
  await must(["perl", "-e", 'for (1..1500) { mkdir "d"; chdir "d" } open F, ">last"'], {
    cwd: space.path,
  });

  await shell(space.path, `ulimit -Sn 256; "${FUIDSHIFT}" d ${RANGE}`);

  const owners = await must(["find", "d", "-printf", "%U:%G\n"], { cwd: space.path });
  assert.equal(owners, "100000:100000\n".repeat(1501));
});

Deno.test("fuidshift: killed on its way it has finished each file that it began; a second run does the rest", async () => {
  await using space = await workspace();
  const create = 'for (1..2000) { open F, ">t/$_"; chmod 04755, "t/$_" }';
  await must(["perl", "-e", `mkdir "t"; ${create}`], { cwd: space.path });
  const files = async (owner: string) =>
    (await must(["find", "t", "-type", "f", "-user", owner, "-perm", "4755", "-printf", "x"], {
      cwd: space.path,
    })).length;
  using changes = Deno.watchFs(`${space.path}/t`);

  const child = new Deno.Command(OURS.lxd, {
    args: ["fuidshift", `${space.path}/t`, RANGE],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  for await (const { kind, paths } of changes) {
    if (kind === "modify" && paths.some((path) => /\d$/.test(path))) break;
  }
  child.kill("SIGTERM");
  await child.output();

  assert.equal(await files("0") + await files("100000"), 2000);
  assert.notEqual(await files("100000"), 0);
  await must([FUIDSHIFT, `${space.path}/t`, RANGE]);
  assert.equal(await files("100000"), 2000);
});

Deno.test("fuidshift: a wrong call changes nothing and says why", async () => {
  await using space = await workspace();
  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["."], /^Error: Missing required arguments$/m],
    [[".", RANGE, "b:0"], /^Error: Bad idmap: "b:0"$/m],
    [[".", RANGE, "x:0:0:0"], /^Error: Bad idmap type in "x:0:0:0"$/m],
    [["gone", RANGE], /^Error: No such file or directory: "gone"$/m],
  ];

  for (const [args, message] of wrong) {
    const { status, stderr } = await run([FUIDSHIFT, ...args], { cwd: space.path });
    assert.equal(status, 1);
    assert.match(stderr, message);
  }
  assert.equal((await Deno.stat(space.path)).uid, 0);
  assert.match(await must([FUIDSHIFT]), /lxd fuidshift <directory> <range>/);
});
