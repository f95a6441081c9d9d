/** One instance whose daemon is killed in front of every effect of a change. */
import { CrashWorld, type Remains } from "#tests/world/crash.ts";
import { setUp } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

/** More effects than any change has. */
const EFFECTS_MAX = 200;
/** Of the effects that are tried when time is short, others each time; `tools/test --all` tries all. */
const STRIDE = 3;

export class CrashedInstance {
  readonly at: string;

  private constructor(
    readonly world: CrashWorld,
    readonly name: string,
    /** With no instance at all. */
    readonly nothing: Remains,
    /** With the instance, after a run. */
    readonly stopped: Remains,
  ) {
    this.at = `/1.0/instances/${name}`;
  }

  /** @param subnet Third byte of the bridge's IPv4 network. */
  static async open(subnet: number): Promise<CrashedInstance> {
    const world = await CrashWorld.open();
    // Names that no other daemon on this machine uses: control groups are shared.
    const name = `crash${subnet}x${Deno.pid}`;
    await setUp(world.api, subnet);
    const first = new CrashedInstance(world, name, {}, {});
    await first.create();
    await first.setState("start");
    await first.setState("stop");
    const stopped = await world.settled(name);
    await first.remove();
    // What was thrown away goes in the background.
    await world.assertRemains(name, { ...await world.settled(name), ...EMPTY_TRASH }, "set-up");
    return new CrashedInstance(world, name, await world.settled(name), stopped);
  }

  create(): Promise<void> {
    return this.world.api.do("POST", "/1.0/instances", {
      name: this.name,
      source: { type: "image", alias: "busybox" },
      // A start by the next daemon would hide what it found.
      config: { "boot.autostart": "false" },
    });
  }

  remove(): Promise<void> {
    return this.world.api.do("DELETE", this.at);
  }

  setState(action: "start" | "stop"): Promise<void> {
    return this.world.api.do("PUT", `${this.at}/state`, { action, force: action === "stop" });
  }

  /** undefined when there is none. */
  async status(): Promise<string | undefined> {
    const { status, body } = await this.world.api.ask("GET", this.at);
    assert.ok(status === 200 || status === 404, `${status}`);
    return status === 404 ? undefined : body.metadata.status;
  }

  /** @see killAtEach */
  killAtEach(
    change: () => Promise<unknown>,
    verify: (when: string) => Promise<void>,
  ): Promise<number> {
    return killAtEach(this.world, change, verify);
  }

  assertNothing(when: string): Promise<void> {
    return this.world.assertRemains(this.name, this.nothing, when);
  }

  assertStopped(when: string): Promise<void> {
    return this.world.assertRemains(this.name, this.stopped, when);
  }

  /** Whatever state it is in: it can be removed, and leaves nothing. */
  async removeWhole(when: string): Promise<void> {
    if (await this.status() === "Running") await this.setState("stop");
    if (await this.status() !== undefined) await this.remove();
    await this.assertNothing(when);
  }
}

/**
 * Kill the daemon at effects of `change`, one after the other; `verify` looks at what the next one made
 * of it.
 *
 * @param options.thinned So many times fewer are tried, of a change with many.
 * @returns how many effects it has.
 */
export async function killAtEach(
  world: CrashWorld,
  change: () => Promise<unknown>,
  verify: (when: string) => Promise<void>,
  { thinned = 1 }: { readonly thinned?: number } = {},
): Promise<number> {
  const stride = thinned * (Deno.env.has("LXD_TEST_EVERY_EFFECT") ? 1 : STRIDE);
  const first = 1 + Math.floor(Math.random() * stride);
  for (let effect = first; effect < EFFECTS_MAX; effect += stride) {
    const name = await world.crash(effect, change);
    if (name === undefined) return effect - 1;
    const when = `killed at effect ${effect}: ${name}`;
    try {
      await verify(when);
    } catch (error) {
      throw new Error(`${when}\n${await world.log()}`, { cause: error });
    }
  }
  throw new Error("it never ended");
}

const EMPTY_TRASH: Remains = { "storage-pools/default/trash": [] };
