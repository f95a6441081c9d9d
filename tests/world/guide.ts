/**
 * What the user's guide takes for granted: the public image servers under their own names, another
 * LXD server r1.example.com. All of it in the network of one daemon, and made here.
 */
import { type Api, apiOf } from "./api.ts";
import { OURS, TestDaemon } from "./daemon.ts";
import { type Served, serverCertificate, serveTree } from "./image_server.ts";
import { archive } from "#tests/fakes/tar.ts";
import { must, run, type RunOptions } from "./run.ts";

const UBUNTU = "cloud-images.ubuntu.com";
const IMAGES = "images.linuxcontainers.org";
export const R1 = "r1.example.com";
const [UBUNTU_AT, IMAGES_AT] = ["127.0.0.2", "127.0.0.3"];
const [HOST_AT, R1_AT] = ["10.248.0.1", "10.248.0.2"];

/** What the servers have: names, as the public ones have them. */
const XENIAL = ["16.04", "x", "xenial", "lts", "default"];
const TRUSTY = ["14.04", "t", "trusty"];

export interface Guide extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly api: Api;
  /** The other server, with a password that nobody has set yet. */
  readonly r1: TestDaemon;
  /** A folder for the user's files. */
  readonly home: string;
  /** A line of the guide, as a user types it; `side`: whose files of the client. */
  type(line: string, options?: RunOptions): ReturnType<typeof run>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startGuide(): Promise<Guide> {
  await using stack = new AsyncDisposableStack();
  const home = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "guide-test." });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const certificate = await serverCertificate(home, [UBUNTU, IMAGES]);
  await Deno.writeTextFile(
    `${home}/hosts`,
    `127.0.0.1 localhost\n${UBUNTU_AT} ${UBUNTU}\n${IMAGES_AT} ${IMAGES}\n${R1_AT} ${R1}\n`,
  );
  const env = { SSL_CERT_FILE: certificate.certificate };
  const daemon = stack.use(await TestDaemon.start({ ...OURS, env }));
  const r1 = stack.use(await TestDaemon.start(OURS));
  await connect(daemon, r1, home);
  await r1.lxc(["config", "set", "core.https_address", ":8443"]);
  const api = apiOf(daemon);
  await makeTrees(daemon, api, home);
  for (const [name, host] of [["ubuntu", UBUNTU_AT], ["images", IMAGES_AT]] as const) {
    const served: Served = await serveTree(daemon, `${home}/${name}`, {
      ...certificate,
      ...{ host, port: 443 },
    });
    stack.use(served);
  }
  const kept = stack.move();
  const programs = OURS.lxd.replace(/\/lxd$/, "");
  return {
    daemon,
    api,
    r1,
    home,
    type: (line, { env: more, ...options } = {}) =>
      run(
        ["nsenter", "-t", `${daemon.pid}`, "-n", "-m", `--wdns=${home}`, "--", "sh", "-c", line],
        {
          env: { ...daemon.env, ...env, PATH: `${programs}:${Deno.env.get("PATH")}`, ...more },
          ...options,
        },
      ),
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}

/** A cable between the two daemons, and names for all hosts. */
async function connect(daemon: TestDaemon, r1: TestDaemon, home: string): Promise<void> {
  const inside = (one: TestDaemon, line: string) =>
    must(["nsenter", "-t", `${one.pid}`, "-n", "-m", "--", ...line.split(" ")]);
  await inside(daemon, `ip link add name up0 type veth peer name up0 netns ${r1.pid}`);
  for (const [one, address] of [[daemon, HOST_AT], [r1, R1_AT]] as const) {
    await inside(one, `ip addr add ${address}/24 dev up0`);
    await inside(one, "ip link set dev up0 up");
  }
  await inside(daemon, `mount --bind ${home}/hosts /etc/hosts`);
}

/** The trees of the public servers, out of an image that has a bash as the real ones have. */
async function makeTrees(daemon: TestDaemon, api: Api, home: string): Promise<void> {
  const lxc = (line: string) => daemon.lxc(line.split(" "));
  await lxc("storage create making dir");
  await api.do("POST", "/1.0/images", {
    source: { type: "build", alias: "busybox" },
    aliases: [{ name: "busybox" }],
  });
  await lxc("init busybox maker -s making");
  await Deno.writeTextFile(`${home}/bash`, `#!/bin/sh\nexec sh "$@"\n`);
  await lxc(`file push --mode 755 ${home}/bash maker/bin/bash`);
  const trees = [
    ["ubuntu/releases", "16.04", XENIAL],
    ["ubuntu/releases", "14.04", TRUSTY],
    ["images", "bookworm", ["debian/12"]],
  ] as const;
  for (const [tree, release, names] of trees) {
    const what = `os=ubuntu release=${release} description=made --compression none`;
    const said = await lxc(`publish maker ${what}`);
    await putInTree(daemon, `${home}/${tree}`, said.trim().split(" ").at(-1) ?? "", names);
  }
  const raw = archive([
    { name: "metadata.yaml", body: "architecture: aarch64\ncreation_date: 1700000000\n" },
    { name: "rootfs/", type: "5" },
  ]);
  const other = await api.do("POST", "/1.0/images", undefined, { raw });
  await lxc(`image set-property ${other.fingerprint} os ubuntu`);
  await putInTree(daemon, `${home}/ubuntu/releases`, other.fingerprint, XENIAL);
  await lxc("delete maker");
  for (const { fingerprint } of await api.get("/1.0/images?recursion=1")) {
    await lxc(`image delete ${fingerprint}`);
  }
  await lxc("storage delete making");
}

async function putInTree(
  daemon: TestDaemon,
  tree: string,
  fingerprint: string,
  names: readonly string[],
): Promise<void> {
  const aliases = names.flatMap((name) => ["--alias", name]);
  await must([OURS.lxd, "image", "tree", tree, fingerprint, ...aliases], { env: daemon.env });
}
