/**
 * What every device type must do: be there from creation or when it is plugged in, change while the
 * instance runs, go without a trace, and leave nothing where a step fails. Each device's kernel test
 * calls `deviceSuite` with what is special of it.
 */
import assert from "node:assert/strict";
import type { Devices, DeviceWorld, Options, View } from "./device_tools.ts";

export interface DeviceCase {
  /** Of the test. */
  readonly name: string;
  /** As it is made. */
  readonly options: Options;
  /** What it becomes while the instance runs. */
  readonly changed?: Options;
  /** It can't come or go while the instance runs. */
  readonly isFixed?: boolean;
  /** What must be there beside it. */
  readonly others?: Devices;
  /** Make what the host must have. @returns how to remove it. */
  prepare?(world: DeviceWorld): Promise<() => Promise<unknown>>;
  /** Does the running instance have it, with these options? Throws else. */
  assertThere(world: DeviceWorld, options: Options): Promise<unknown>;
}

const DEVICE = "dut";
/** More effects than any change has. */
const EFFECTS_MAX = 200;
/** Of the effects that are tried when time is short, others each time; `tools/test --all` tries all. */
const STRIDE = 4;

export function deviceSuite(open: () => DeviceWorld, cases: readonly DeviceCase[]): void {
  for (const one of cases) {
    const define = (what: string, run: (test: CaseTest) => Promise<void>) =>
      Deno.test(`device ${one.name}: ${what}`, async () => {
        const world = open();
        const remove = await one.prepare?.(world);
        await run(new CaseTest(world, one)).finally(() => world.remove());
        await remove?.();
      });
    define("is there from creation, through a stop and a start, and goes", lives);
    if (one.isFixed === true) define("neither comes nor goes while it runs", isFixed);
    else define("is plugged, changed and unplugged without a trace", isPlugged);
    define("leaves nothing where a step fails", failsWhole);
  }
}

/** One case, on its way through the states. */
class CaseTest {
  constructor(readonly world: DeviceWorld, readonly one: DeviceCase) {}

  get others(): Devices {
    return this.one.others ?? {};
  }

  get all(): Devices {
    return { ...this.others, [DEVICE]: this.one.options };
  }

  set(options: Options | undefined): Promise<void> {
    return this.world.setDevice(DEVICE, options);
  }

  assertThere(options: Options): Promise<unknown> {
    return this.one.assertThere(this.world, options);
  }

  /** Let the effects of a change fail, one after the other: it is done whole or not at all. */
  async failEach(change: () => Promise<unknown>, options: {
    /** Before the change. */
    readonly before: View;
    /** Once it is done. */
    readonly after: View;
    /** Undo a change that was done. */
    readonly back: () => Promise<unknown>;
  }): Promise<void> {
    const stride = Deno.env.has("LXD_TEST_EVERY_EFFECT") ? 1 : STRIDE;
    for (let n = 1 + Math.floor(Math.random() * stride); n < EFFECTS_MAX; n += stride) {
      const { at, error } = await this.world.crash.fail(n, change);
      if (at === undefined && error !== undefined) throw error;
      const when = `effect ${n} failed: ${at}\n${error ?? "and the change was done"}`;
      await this.world.assertView(error === undefined ? options.after : options.before, when);
      if (error === undefined) await options.back();
      if (at === undefined) return;
    }
    assert.fail("it never ended");
  }
}

async function lives(test: CaseTest): Promise<void> {
  const { world, one } = test;
  const nothing = await world.view();
  await world.create(test.all);
  const created = await world.view();

  await world.setState("start");
  await test.assertThere(one.options);
  await world.setState("stop");
  const stopped = await world.view();
  await world.assertView({ ...stopped, host: created.host }, "stopped");
  await world.setState("start");
  await test.assertThere(one.options);
  await world.setState("stop");
  await world.assertView(stopped, "stopped again");

  await world.remove();
  await world.assertView(nothing, "removed");
}

async function isPlugged(test: CaseTest): Promise<void> {
  const { world, one } = test;
  await world.create(test.others);
  await world.setState("start");
  const before = await world.view();

  await test.set(one.options);
  await test.assertThere(one.options);
  if (one.changed !== undefined) {
    await test.set(one.changed);
    await test.assertThere(one.changed);
    assert.deepEqual(await world.deviceOptions(DEVICE), one.changed);
  }
  await test.set(undefined);

  await world.assertView(before, "unplugged");
}

async function isFixed(test: CaseTest): Promise<void> {
  const { world, one } = test;
  await world.create(test.others);
  await world.setState("start");
  const before = await world.view();

  await assert.rejects(test.set(one.options), /can't be added to a running instance/);

  await world.assertView(before, "not plugged");
}

async function failsWhole(test: CaseTest): Promise<void> {
  const { world, one } = test;
  const nothing = await world.view();
  await world.create(test.all);
  const created = await world.view();
  await world.remove();
  await test.failEach(() => world.create(test.all), {
    before: nothing,
    after: created,
    back: () => world.remove(),
  });
  await world.create(one.isFixed === true ? test.all : test.others);
  if (one.isFixed !== true) await plugFails(test);
  await startFails(test);
  await world.remove();
  await world.assertView(nothing, "removed");
}

async function plugFails(test: CaseTest): Promise<void> {
  const { world, one } = test;
  await world.setState("start");
  const without = await world.view();
  await test.set(one.options);
  const plugged = await world.view();
  const unplug = () => test.set(undefined);
  await test.failEach(unplug, {
    before: plugged,
    after: without,
    back: () => test.set(one.options),
  });
  await unplug();
  await test.failEach(() => test.set(one.options), {
    before: without,
    after: plugged,
    back: unplug,
  });
  await test.set(one.options);
  if (one.changed !== undefined) {
    await test.set(one.changed);
    const changed = await world.view();
    await test.set(one.options);
    await test.failEach(() => test.set(one.changed), {
      before: plugged,
      after: changed,
      back: () => test.set(one.options),
    });
  }
  await world.setState("stop");
}

/** With the device: a start that fails leaves it stopped; one that works gives all of it. */
async function startFails(test: CaseTest): Promise<void> {
  const { world, one } = test;
  // What the first start chooses stays.
  await world.setState("start");
  await world.setState("stop");
  const stopped = await world.view();
  await world.setState("start");
  const running = await world.view();
  await world.setState("stop");
  await test.failEach(() => world.setState("start"), {
    before: stopped,
    after: running,
    back: () => world.setState("stop"),
  });
  await world.setState("start");
  await test.assertThere(one.options);
  await world.setState("stop");
}
