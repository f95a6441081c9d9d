/** The running state of a container, saved and put back by the client of the built program, and by Debian's. */
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

/** It counts in its memory, and shows it in a file. */
const COUNTER = "lxc.console.path = none\nlxc.init.cmd = /bin/busybox awk " +
  'BEGIN{while(1){i++;print(i)>"/count";close("/count");system("sleep$IFS.1")}}';

async function testClient(): Promise<void> {
  await using daemon = await TestDaemon.start(OURS);
  const call = (...args: string[]) => daemon.lxc(args);
  const count = async () => Number(await call("file", "pull", "c1/count", "-"));
  const countsTo = async (least: number) => {
    const end = performance.now() + 60_000;
    while (await count() < least) assert.ok(performance.now() < end, `no ${least}`);
  };
  await call("storage", "create", "default", "dir", "dir.clone=copy");
  await call("profile", "device", "add", "default", "root", "disk", "path=/", "pool=default");
  await must([OURS.lxd, "image", "build", "busybox", "--alias", "busybox"], { env: daemon.env });
  const config = ["-c", "security.privileged=true", "-c", `raw.lxc=${COUNTER}`];
  await call("launch", "busybox", "c1", ...config);
  await countsTo(20);

  await call("snapshot", "c1", "s", "--stateful");
  const atSnapshot = await count();
  await call("stop", "c1", "--force");
  await call("restore", "c1", "s", "--stateful");
  const restored = await count();
  assert.ok(restored >= 20, `anew: ${restored}, at the snapshot ${atSnapshot}`);
  await call("restart", "c1", "--force");
  await countsTo(20);

  await call("stop", "c1", "--stateful");
  assert.match(await call("config", "show", "c1"), /^stateful: true$/m);
  await must([DEBIAN.lxc, "start", "c1"], { env: daemon.env });
  assert.ok(await count() >= 20, "it went on, not anew");
  assert.match(await call("config", "show", "c1"), /^stateful: false$/m);
}

if (isMet("criu")) Deno.test("stateful: by lxc", testClient);
