/**
 * Whatever a client sends as the configuration of an instance or a profile, on a real daemon: it is done, or
 * refused with a reason (4xx) and nothing has changed. $LXD_TEST_SEED repeats a run.
 */
import { DISK_KEYS } from "#api/config/device_disk.ts";
import { GPU_KEYS, UNIX_HOTPLUG_KEYS, USB_KEYS } from "#api/config/device_hotplug.ts";
import { NIC_KEYS } from "#api/config/device_nic.ts";
import { PROXY_KEYS } from "#api/config/device_proxy.ts";
import { UNIX_KEYS } from "#api/config/device_unix.ts";
import { INSTANCE_KEY_PREFIXES, INSTANCE_KEYS } from "#api/config/instance_keys.ts";
import { VALUES } from "#tests/compat/twins/values.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";
import fc from "fast-check";

const NAME = `prop${Deno.pid}`;
const LIMIT_MS = 20_000;
const seed = Number(Deno.env.get("LXD_TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));

let world: InstanceDaemon;
Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 34 });
  await world.create(`${NAME}s`);
  await world.launch(`${NAME}r`);
  await world.api.do("POST", "/1.0/profiles", { name: "p" });
  console.log(`LXD_TEST_SEED=${seed}`);
});
Deno.test.afterAll(async () => {
  // A protected instance would stay.
  for (const letter of ["s", "r"]) {
    await world.api.do("PUT", `/1.0/instances/${NAME}${letter}`, { profiles: ["default"] });
  }
  await world[Symbol.asyncDispose]();
});

type Options = Record<string, unknown>;

const value = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 10, arbitrary: fc.constantFrom("true", "false", "0", "1", "5", "10MB") },
  { weight: 2, arbitrary: fc.string({ unit: "binary" }) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(null, 7, true, ["x"], { a: "b" }) },
);

const configOf = (keys: readonly string[]) =>
  fc.dictionary(fc.constantFrom(...keys, "no.such", "user.x", ""), value, {
    maxKeys: 3,
    noNullPrototype: true,
  });

const configs = configOf([
  ...Object.keys(INSTANCE_KEYS),
  ...Object.keys(INSTANCE_KEY_PREFIXES).map((prefix) => `${prefix}nofile`),
  ...["volatile.eth0.hwaddr", "volatile.idmap.next", "volatile.uuid", "volatile.foo"],
]);

/** A device that is right by itself, and what else it may have. */
const DEVICES: readonly (readonly [Options, object])[] = [
  [{ type: "none" }, {}],
  [{ type: "nic", network: "testbr0", name: "eth1" }, NIC_KEYS],
  [{ type: "nic", nictype: "p2p" }, NIC_KEYS],
  [{ type: "nic", nictype: "routed", parent: "testbr0" }, NIC_KEYS],
  [{ type: "nic", nictype: "macvlan", parent: "testbr0" }, NIC_KEYS],
  [{ type: "disk", source: "/etc", path: "/mnt" }, DISK_KEYS],
  [{ type: "disk", pool: "default", path: "/" }, DISK_KEYS],
  [{ type: "unix-char", path: "/dev/null" }, UNIX_KEYS],
  [{ type: "unix-block", path: "/dev/x", required: "false" }, UNIX_KEYS],
  [{ type: "unix-hotplug", vendorid: "1234" }, UNIX_HOTPLUG_KEYS],
  [{ type: "usb", vendorid: "1234" }, USB_KEYS],
  [{ type: "gpu" }, GPU_KEYS],
  [{ type: "proxy", listen: "tcp:127.0.0.1:81", connect: "tcp:127.0.0.1:80" }, PROXY_KEYS],
  [{ type: "nonsense" }, {}],
];
const device = fc.constantFrom(...DEVICES).chain(([base, table]) =>
  configOf(Object.keys(table)).map((options) => ({ ...base, ...options }))
);
const devices = fc.dictionary(fc.constantFrom("root", "eth0", "d1", "bad name", ""), device, {
  maxKeys: 2,
  noNullPrototype: true,
});

/** Mostly right: else nothing would be looked at but these. */
const mostly = (right: readonly unknown[], wrong: readonly unknown[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...right) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );
const profiles = mostly([["default"], ["default", "p"]], [[], ["no"], "p", ["p", "p"]]);
const description = mostly(["", "words"], ["a\0b", 7]);

/** Devices are for those that do not run: what they would do to the host is no business of this test. */
const method = fc.constantFrom("PUT", "PATCH");
const changes = fc.oneof(
  fc.record({
    target: fc.constant(`instances/${NAME}s`),
    method,
    body: fc.record({ config: configs, devices, profiles, description }, {
      requiredKeys: ["profiles"],
    }),
  }),
  fc.record({
    target: fc.constant("profiles/p"),
    method,
    body: fc.record({ config: configs, devices, description }, { requiredKeys: [] }),
  }),
);
const liveChanges = fc.record({
  target: fc.constant(`instances/${NAME}r`),
  method,
  body: fc.record({ config: configs, profiles: fc.constant<unknown>(["default"]) }),
});

/** What a client may set. */
async function readBack(target: string) {
  const { config, devices, description, profiles, ephemeral } = await world.api.get(
    `/1.0/${target}`,
  );
  return { config, devices, description, profiles, ephemeral };
}

/** An empty value unsets its key. */
function withoutEmpty(options: object): Options {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== "" && value !== null),
  );
}

type Change = { target: string; method: string; body: Options };

/** @returns the reason of a refusal. */
async function send({ target, method, body }: Change): Promise<string | undefined> {
  const answer = await world.api.ask(method, `/1.0/${target}`, body);
  assert.ok(answer.status < 500, answer.text);
  if (answer.status >= 400) return answer.body.error;
  if (answer.status !== 202) return undefined;
  const ended = await world.api.get(`${answer.body.operation}/wait?timeout=30`);
  return ended.status === "Success" ? undefined : ended.err;
}

async function isWholeOrRefused(change: Change): Promise<void> {
  const before = await readBack(change.target);
  const reason = await send(change);
  const after = await readBack(change.target);
  // LXD's way: a profile is saved, and says which instances could not follow.
  if (reason?.includes("profile change still saved") === true) return;
  if (reason !== undefined) {
    // What JavaScript says of a mistake of ours is no reason.
    assert.doesNotMatch(reason, /TypeError|undefined|is not a function|SQLITE|^$/);
    assert.deepEqual(after, before, reason);
    return;
  }
  for (const [key, wanted] of Object.entries(change.body["config"] ?? {})) {
    // Some volatile values are the daemon's alone.
    if (!key.startsWith("volatile.")) assert.equal(after.config[key] ?? "", wanted ?? "", key);
  }
  for (const [name, wanted] of Object.entries(change.body["devices"] ?? {})) {
    assert.deepEqual(withoutEmpty(after.devices[name]), withoutEmpty(wanted), name);
  }
}

// Each change starts from what the one before it left: it can't be shrunk.
const RUNS = {
  seed,
  endOnFailure: true,
  numRuns: 1000,
  interruptAfterTimeLimit: LIMIT_MS / 2,
  markInterruptAsFailure: false,
};

Deno.test("api: a change of a stopped instance or a profile is done whole or refused", async () => {
  await fc.assert(fc.asyncProperty(changes, isWholeOrRefused), RUNS);
});

Deno.test("api: a change of a running instance's configuration is done whole or refused", async () => {
  await fc.assert(fc.asyncProperty(liveChanges, isWholeOrRefused), RUNS);
});
