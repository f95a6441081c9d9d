/** The commands of the user's guide, in its order, as a user types them. */
import { startGuide } from "#tests/world/guide.ts";
import assert from "node:assert/strict";

interface Line {
  readonly type: string;
  /** Of what it says. */
  readonly says?: RegExp;
  /** It fails, and this is why. */
  readonly fails?: RegExp;
  readonly stdin?: string;
  /** Whose files the client has, where it is not the first user. */
  readonly who?: string;
  readonly editor?: string;
}

const SECTIONS: Readonly<Record<string, readonly Line[]>> = {
  "Configuration": [
    { type: "lxd init --auto" },
    { type: "lxc profile show default", says: /eth0:[^]*network: lxdbr0[^]*root:/ },
  ],
  "Creating a container": [
    {
      type: "lxc remote list -f csv",
      says: /^ubuntu,https:\/\/cloud-images.ubuntu.com\/releases/m,
    },
    { type: "lxc image list ubuntu:", says: /\| ubuntu 16\.04 amd64 / },
    { type: "lxc image info ubuntu:xenial", says: /Aliases:[^]*- 16\.04\n[^]*- lts\n/ },
    { type: "lxc image info ubuntu:lts/arm64", says: /Architecture: aarch64/ },
    { type: "lxc launch ubuntu:xenial x1", says: /Starting x1/ },
    { type: "lxc list", says: /\| x1 +\| RUNNING \|/ },
    { type: "lxc info x1", says: /Status: RUNNING/ },
    { type: "lxc exec x1 bash", stdin: "echo in $(hostname)\n", says: /^in x1$/m },
    { type: "lxc image info $(lxc image list -f csv -c F)", says: /Cached: yes\nAuto update: en/ },
    { type: "lxc config get images.remote_cache_expiry", says: /^\n$/ },
  ],
  "LXD Server Configuration": [
    { type: "lxc config set core.https_address :8443" },
    { type: "curl -sk https://10.248.0.1:8443/", says: /"\/1\.0"/ },
  ],
  "Authentication": [
    {
      type: "lxc remote add r1 r1.example.com:8443",
      stdin: "n\n",
      says: /Certificate fingerprint: [0-9a-f]{64}/,
      fails: /NACKed/,
    },
    {
      type: "lxc remote add r1 r1.example.com:8443",
      stdin: "y\nwrong\n",
      fails: /not authorized|trust/i,
    },
    { type: "@r1 lxc config set core.trust_password sesame" },
    { type: "lxc remote add r1 r1.example.com:8443", stdin: "y\nsesame\n", says: /now trusted/ },
    { type: "lxc list r1:", says: /NAME/ },
    // Another client, vouched for by the first.
    { type: "lxc remote add x r1.example.com:8443", stdin: "n\n", who: "second", fails: /NACKed/ },
    { type: "cp second/client.crt certfile.crt" },
    { type: "lxc config trust add r1 certfile.crt" },
    {
      type: "lxc remote add r1 r1.example.com:8443",
      stdin: "y\n",
      who: "second",
      says: /^[^:]*: [0-9a-f]+\nok \(y\/n\/\[fingerprint\]\)\? $/,
    },
    { type: "lxc list r1:", who: "second", says: /NAME/ },
  ],
  "Container configuration": [
    { type: "lxc init ubuntu:xenial c1" },
    { type: "lxc config device add c1 opt disk source=/opt path=opt", says: /added/ },
    { type: "lxc start c1" },
    { type: "lxc exec c1 -- grep -c ' /opt ' /proc/mounts", says: /^1$/m },
    { type: "lxc help config", says: /Manage instance and server configuration options/ },
    {
      type: "lxc config edit c1",
      editor: "grep -q '^### ' $1 && sed -i 's/^config:/config:\\n  user.edited: yes/' $1",
    },
    { type: "lxc config get c1 user.edited", says: /^yes$/m },
  ],
  "Profiles": [
    { type: "lxc config device add c1 eth1 none", says: /Device eth1 added to c1/ },
    { type: "lxc config device add c1 eth0 none", says: /added/ },
    { type: "lxc restart -f c1" },
    { type: "lxc exec c1 -- ls /sys/class/net", says: /^lo\n$/ },
  ],
  "Nesting": [
    { type: "lxc image copy ubuntu:xenial local: --alias xenial", says: /copied successfully/ },
    { type: "lxc launch xenial container1 -p default -p docker", says: /Starting/ },
    { type: "lxc config set container1 security.nesting true" },
    { type: "lxc delete -f container1" },
  ],
  "UID mappings and Privileged containers": [
    { type: "lxc exec c1 -- awk '{print $2}' /proc/self/uid_map", says: /^[1-9]\d*$/m },
    { type: "lxc config set c1 security.privileged true" },
    { type: "lxc restart -f c1" },
    { type: "lxc exec c1 -- awk '{print $2}' /proc/self/uid_map", says: /^0$/m },
  ],
  "Seccomp and Raw LXC configuration": [
    { type: "lxc config set c1 raw.lxc 'lxc.environment = GUIDE=1'" },
    { type: "lxc restart -f c1" },
    {
      type: "tr '\\0' '\\n' </proc/$(lxc info c1 | sed -n 's/^PID: //p')/environ",
      says: /^GUIDE=1$/m,
    },
  ],
  "Images and containers": [
    { type: "lxc image list ubuntu:", says: /\| ubuntu 14\.04 amd64 / },
    { type: "lxc image alias list images:", says: /debian\/12/ },
    ...["14.04", "trusty", "trusty/amd64", "lts"].flatMap((name) => [
      { type: `lxc launch ubuntu:${name} trusty1`, says: /Starting trusty1/ },
      { type: "lxc delete -f trusty1" },
    ]),
  ],
  "Snapshots": [
    { type: "lxc stop -f c1" },
    { type: "lxc move c1 final-beta" },
    { type: "lxc copy final-beta u1" },
    { type: "lxc move final-beta c1" },
    { type: "lxc snapshot u1 2016-04-21" },
    { type: "lxc start u1" },
    { type: "lxc exec u1 -- touch /later" },
    { type: "lxc restore u1 2016-04-21" },
    { type: "lxc exec u1 -- ls /later", fails: /No such file/ },
    { type: "lxc copy u1/2016-04-21 testcontainer" },
    { type: "lxc list -f csv -c ns", says: /^testcontainer,STOPPED$/m },
  ],
  "Publishing images": [
    { type: "lxc publish u1/2016-04-21 --alias foo-2.0", says: /published with fingerprint/ },
    { type: "lxc image list foo-2.0 -f csv -c lp", says: /^foo-2\.0,no$/m },
    { type: "lxc image edit foo-2.0", editor: "sed -i 's/^public: false/public: true/' $1" },
    { type: "lxc image list foo-2.0 -f csv -c lp", says: /^foo-2\.0,yes$/m },
    { type: "lxc image delete foo-2.0" },
    { type: "lxc publish u1/2016-04-21 --alias foo-2.0 public=true" },
    { type: "lxc image list foo-2.0 -f csv -c lp", says: /^foo-2\.0,yes$/m },
  ],
  "Image export and import": [
    { type: "lxc image export foo-2.0 foo-2.0.tar.gz", says: /exported/ },
    { type: "lxc image delete foo-2.0" },
    { type: "lxc image import foo-2.0.tar.gz --alias foo-2.0 --public", says: /imported/ },
    { type: "lxc launch foo-2.0 again" },
    { type: "lxc exec again bash", stdin: "echo here\n", says: /^here$/m },
  ],
  "Troubleshooting": [
    { type: "lxc start c1" },
    { type: "lxc info c1 --show-log", says: /Log:/ },
    { type: "cat $LXD_DIR/logs/c1/lxc.conf", says: /lxc\.environment = GUIDE=1/ },
    { type: "cat $LXD_DIR/security/seccomp/c1", says: /open_by_handle_at/ },
  ],
};

Deno.test("guide: all of its commands do what it says", async (test) => {
  await using guide = await startGuide();
  for (const [section, lines] of Object.entries(SECTIONS)) {
    await test.step(section, async () => {
      for (const line of lines) await type(guide, line);
    });
  }
});

async function type(guide: Awaited<ReturnType<typeof startGuide>>, line: Line): Promise<void> {
  const { stdin, who, editor } = line;
  const conf = line.type.startsWith("@r1 ")
    ? guide.r1.env
    : who === undefined
    ? {}
    : { LXD_CONF: `${guide.home}/${who}` };
  if (editor !== undefined) {
    await Deno.writeTextFile(`${guide.home}/editor`, `#!/bin/sh\n${editor}\n`, { mode: 0o755 });
  }
  const typed = line.type.replace(/^@r1 /, "");
  // An editor is opened on a terminal alone.
  const command = editor === undefined ? typed : `script -qec '${typed}' /dev/null`;
  const { status, stdout, stderr } = await guide.type(command, {
    env: { ...conf, EDITOR: `${guide.home}/editor` },
    ...(stdin !== undefined && { stdin }),
  });
  const said = `${line.type}\n${stdout}${stderr}`;
  assert.equal(status !== 0, line.fails !== undefined, said);
  if (line.fails !== undefined) assert.match(stderr, line.fails, said);
  if (line.says !== undefined) assert.match(stdout, line.says, said);
}
