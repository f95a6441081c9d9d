import assert from "node:assert/strict";
import type { Asker } from "./asker.ts";
import { autoPreseed, missingBackends, type ServerFacts } from "./auto.ts";
import { interview } from "./questions.ts";

const FACTS: ServerFacts = {
  drivers: ["dir"],
  pools: [],
  networks: [],
  defaultHasNic: false,
  hasInterface: () => false,
  stateDirectory: "/lxd",
  isOnBtrfs: false,
  diskBytes: 100 * 1024 ** 3,
};

/** Answers from a list, "" being the default; what was asked is kept. */
function scripted(answers: readonly string[], asked: string[] = []): Asker {
  const left = [...answers];
  const next = (question: string, fallback = "") => {
    asked.push(question);
    const answer = left.shift();
    assert.notEqual(answer, undefined, `no answer to ${question}`);
    return answer || fallback;
  };
  return {
    bool: (question, fallback) => next(question, fallback) === "yes",
    text: (question, fallback, check) => {
      const answer = next(question, fallback);
      assert.equal(check?.(answer), undefined);
      return answer;
    },
    number: (question, fallback) => Number(next(question, String(fallback))),
    choice: (question, _choices, fallback) => next(question, fallback),
    password: next,
    tell: (text) => asked.push(text),
  };
}

Deno.test("interview() makes a pool and a bridge when every answer is the default", () => {
  const { preseed, wantsText } = interview(scripted(Array(11).fill("")), FACTS);

  assert.equal(wantsText, false);
  assert.deepEqual(preseed.config, {});
  assert.deepEqual(preseed.storage_pools, [
    { config: {}, description: "", name: "default", driver: "dir" },
  ]);
  assert.deepEqual(preseed.networks.map(({ name, config }) => [name, config]), [
    ["lxdbr0", { "ipv4.address": "auto", "ipv6.address": "auto" }],
  ]);
  assert.deepEqual(preseed.profiles[0]?.devices, {
    eth0: { name: "eth0", network: "lxdbr0", type: "nic" },
    root: { path: "/", pool: "default", type: "disk" },
  });
});

Deno.test("interview() asks for what a fixed subnet and the network need", () => {
  const asked: string[] = [];
  const answers = ["", "no", "", "", "br0", "10.1.2.1/24", "", "none", "yes", "", "", "pw", "no"];

  const { preseed } = interview(scripted([...answers, ""], asked), FACTS);

  assert.deepEqual(preseed.networks[0]?.config, {
    "ipv4.address": "10.1.2.1/24",
    "ipv4.nat": "true",
    "ipv6.address": "none",
  });
  assert.deepEqual(preseed.config, {
    "core.https_address": "[::]:8443",
    "core.trust_password": "pw",
    "images.auto_update_interval": "0",
  });
  assert.equal(asked.filter((question) => question.includes("NAT")).length, 1);
});

Deno.test("interview() asks again for names that are taken", () => {
  const facts = { ...FACTS, pools: ["default"], networks: ["lxdbr0"] };
  const answers = ["", "", "", "p2", "", "", "", "br1", "none", "none", "", "", ""];

  const { preseed } = interview(scripted(answers), facts);

  assert.equal(preseed.storage_pools[0]?.name, "p2");
  assert.equal(preseed.networks[0]?.name, "br1");
});

Deno.test("interview() offers drivers, and a loop device of a fifth of the disk", () => {
  const asked: string[] = [];
  const facts = { ...FACTS, drivers: ["zfs", "dir", "btrfs"] };
  const answers = ["", "", "", "", "", "", "", "", "no", "no", "", "", ""];

  const { preseed } = interview(scripted(answers, asked), facts);

  assert.equal(preseed.storage_pools[0]?.driver, "zfs");
  assert.deepEqual(preseed.storage_pools[0]?.config, { size: "20GiB" });
  assert.ok(asked.includes("Name of the storage backend to use (btrfs, dir, zfs) [default=zfs]: "));
});

Deno.test("interview() uses an interface of the host instead of a bridge", () => {
  const facts = { ...FACTS, hasInterface: (name: string) => name === "enp1" };
  const answers = ["", "no", "", "no", "yes", "nope", "enp1", "", "", ""];

  const { preseed } = interview(scripted(answers), facts);

  assert.deepEqual(preseed.profiles[0]?.devices, {
    eth0: { name: "eth0", nictype: "macvlan", parent: "enp1", type: "nic" },
  });
});

const FLAGS = {
  "network-address": "",
  "network-port": -1,
  "storage-backend": "",
  "storage-create-device": "",
  "storage-create-loop": -1,
  "storage-pool": "",
  "trust-password": "",
};

Deno.test("autoPreseed() leaves alone what is there", () => {
  const facts = { ...FACTS, pools: ["p"], networks: ["n"] };

  const preseed = autoPreseed({ ...FLAGS, "network-address": "127.0.0.1" }, facts);

  assert.deepEqual(preseed, {
    config: { "core.https_address": "127.0.0.1:8443" },
    networks: [],
    storage_pools: [],
    profiles: [],
    projects: [],
  });
});

Deno.test("init finds a btrfs under the state directory and makes a subvolume in it", () => {
  const facts = { ...FACTS, drivers: ["dir", "btrfs"], isOnBtrfs: true };
  const answers = ["", "", "", "", "", "", "no", "no", "", "", ""];
  const pool = {
    config: { source: "/lxd/storage-pools/default" },
    description: "",
    name: "default",
    driver: "btrfs",
  };

  assert.deepEqual(autoPreseed(FLAGS, facts).storage_pools, [pool]);
  assert.deepEqual(interview(scripted(answers), facts).preseed.storage_pools, [pool]);
  const dir = { ...FLAGS, "storage-backend": "dir" };
  assert.equal(autoPreseed(dir, facts).storage_pools[0]?.driver, "dir");
});

Deno.test("autoPreseed() makes no bridge beside an interface of the default profile", () => {
  const { networks, profiles } = autoPreseed(FLAGS, { ...FACTS, defaultHasNic: true });

  assert.deepEqual(networks, []);
  assert.deepEqual(Object.keys(profiles[0]?.devices ?? {}), ["root"]);
});

Deno.test("autoPreseed() takes the first bridge name that is free on the host", () => {
  const facts = { ...FACTS, hasInterface: (name: string) => name === "lxdbr0" };

  assert.equal(autoPreseed(FLAGS, facts).networks[0]?.name, "lxdbr1");
});

Deno.test("missingBackends() names the packages of drivers that the server lacks", () => {
  assert.deepEqual(missingBackends(["dir", "btrfs", "zfs"]), [
    "lvm: apt install lvm2 thin-provisioning-tools",
  ]);
  assert.deepEqual(missingBackends(["btrfs", "lvm", "zfs"]), []);
});

for (
  const [flags, message] of [
    [{ "storage-backend": "foo" }, /'foo' isn't supported/],
    [{ "storage-backend": "zfs" }, /'zfs' isn't available.* apt install zfsutils-linux zfs-dkms/],
    [{ "storage-pool": "x" }, /None of --storage-pool/],
    [{ "network-port": 1 }, /--network-port can't be used/],
    [{ "trust-password": "x" }, /--trust-password can't be used/],
  ] as const
) {
  Deno.test(`autoPreseed() refuses ${JSON.stringify(flags)}`, () => {
    assert.throws(() => autoPreseed({ ...FLAGS, ...flags }, FACTS), message);
  });
}
