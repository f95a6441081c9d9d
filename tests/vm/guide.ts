/**
 * The guide's "Backing store" with what lies ready for a pool, as written; and who holds a volume that is
 * busy.
 */
import { apiOf } from "#tests/world/api.ts";
import { OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

export interface Store {
  readonly driver: "lvm" | "zfs";
  /** The guide's key that names it. */
  readonly key: string;
  /** In words. */
  readonly what: string;
  /** The key of the pool that names it. */
  readonly poolKey: string;
  make(folder: string, name: string): Promise<void>;
  /** Of all that a pool has; without the pool's own name. */
  names(pool: string): Promise<string[]>;
  /** How the driver calls a container, its snapshot "s", a custom volume. */
  readonly container: string;
  readonly snapshot: string;
  readonly volume: string;
}

const POOL = `lxd${Deno.pid}`;

async function testGuide({ driver, key, poolKey, ...store }: Store): Promise<void> {
  await using daemon = await TestDaemon.start(OURS);
  await store.make(daemon.folder, POOL);
  const call = (...args: string[]) => daemon.lxc(args);

  const set = await daemon.try(["config", "set", key, POOL]);
  assert.equal(set.status, 0, set.stderr);
  assert.match(set.stderr, /lxc storage create/);
  assert.equal(await call("config", "get", key), `${POOL}\n`);
  const shown = await call("storage", "show", "default");
  assert.match(shown, new RegExp(`^driver: ${driver}$`, "m"));
  assert.match(shown, new RegExp(`${poolKey}: ${POOL}`));

  const api = apiOf(daemon);
  await api.do("PATCH", "/1.0/profiles/default", {
    devices: { root: { type: "disk", path: "/", pool: "default", size: "64MiB" } },
  });
  await must([OURS.lxd, "image", "build", "busybox", "--alias", "busybox"], { env: daemon.env });
  await call("launch", "busybox", "c1");
  await call("snapshot", "c1", "s");
  const names = await store.names(POOL);
  for (const one of [store.container, store.snapshot]) assert.ok(names.includes(one), `${names}`);
  assert.match(await call("exec", "c1", "--", "df", "/"), new RegExp(store.container));
  await call("stop", "--force", "c1");

  await call("storage", "volume", "create", "default", "data", "size=64MiB");
  const at = `${daemon.directory}/storage-pools/default/custom/default_data`;
  const holder = new Deno.Command("nsenter", {
    args: ["-t", `${daemon.pid}`, "-m", "--", "sh", "-c", `cd "$0" && exec sleep 600`, at],
    stdout: "null",
  }).spawn();
  try {
    while ((await Deno.readTextFile(`/proc/${holder.pid}/comm`)).trim() !== "sleep") {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { status, stderr } = await daemon.try(["storage", "volume", "delete", "default", "data"]);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`it is in use \\(Used by ${holder.pid} \\(sleep\\)`));
    assert.ok((await store.names(POOL)).includes(store.volume));
  } finally {
    holder.kill("SIGKILL");
    await holder.status;
  }
  await call("storage", "volume", "delete", "default", "data");
  await call("delete", "c1");
  const left = await store.names(POOL);
  for (const one of [store.container, store.snapshot, store.volume]) {
    assert.ok(!left.includes(one), `${left}`);
  }
}

export function guideSuite(store: Store): void {
  Deno.test(
    `guide: ${store.key} makes a pool of ${store.what}, whose busy volumes name who holds them`,
    () => testGuide(store),
  );
}
