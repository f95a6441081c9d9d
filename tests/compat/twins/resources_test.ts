/**
 * GET /1.0/resources of our daemon and of Debian's LXD 5.0.2: the same of this host, and of a made-up one
 * that has what this lacks. What our client and Debian's print of it is the same, whichever daemon is asked.
 */
import assert from "node:assert/strict";
import { apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { MadeUpHardware } from "#tests/fakes/hardware/hardware.ts";
import { must } from "#tests/world/run.ts";
import { isInstalled } from "../installed.ts";

const hasLxd = await isInstalled(DEBIAN.lxd, "lxd");

class Pair implements AsyncDisposable {
  private constructor(readonly ours: TestDaemon, readonly theirs: TestDaemon) {}

  static async start(hardware?: string): Promise<Pair> {
    const more = hardware === undefined ? {} : { hardware };
    const ours = await TestDaemon.start({ ...OURS, ...more });
    try {
      return new Pair(ours, await TestDaemon.start({ ...DEBIAN, ...more }));
    } catch (error) {
      await ours[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ours[Symbol.asyncDispose]();
    await this.theirs[Symbol.asyncDispose]();
  }
}

type Json = Record<string, unknown>;

const resourcesOf = (daemon: TestDaemon): Promise<Json> => apiOf(daemon).get("/1.0/resources");

/** Where LXD is silent and ours knows. */
const KNOWN_ONLY_HERE: readonly {
  readonly at: RegExp;
  readonly unless: unknown;
  readonly why: string;
}[] = [
  {
    at: /^gpu\.cards\.\d+\.usb_address$/,
    unless: undefined,
    why: "LXD looks for the address where the kernel does not have it",
  },
  {
    at: /^storage\.disks\.\d+\.pci_address$/,
    unless: undefined,
    why: "LXD finds the controller of virtio disks only, not of NVMe, SATA and SAS ones",
  },
  {
    at: /^storage\.disks\.\d+\.block_size$/,
    unless: 0,
    why: "LXD opens the disk, which a group of devices may forbid",
  },
  {
    at: /^network\.cards\..*\.address$/,
    unless: "00:00:00:00:00:00",
    why: "LXD shows the permanent address where there is none",
  },
];

/** Amounts that move between two requests. */
const MOVING = /^memory\.(nodes\.\d+\.)?used$|\.frequency$/;
const NOTHING = /^$/;

function differences(ours: unknown, theirs: unknown, moving: RegExp, at = ""): string[] {
  if (isObject(ours) && isObject(theirs)) {
    const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
    return keys.flatMap((key) =>
      differences(ours[key], theirs[key], moving, at === "" ? key : `${at}.${key}`)
    );
  }
  const isMeant = KNOWN_ONLY_HERE.some((one) => one.at.test(at) && one.unless === theirs);
  if (Object.is(ours, theirs) || isMeant) return [];
  if (moving.test(at) && typeof ours === "number" && typeof theirs === "number") return [];
  return [`${at}: ours ${JSON.stringify(ours)}, LXD ${JSON.stringify(theirs)}`];
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

/** Of both clients, with the amounts that move left out. */
async function texts(daemon: TestDaemon): Promise<[ours: string, theirs: string]> {
  const ask = async (lxc: string) =>
    (await must([lxc, "info", "--resources"], { env: daemon.env }))
      .replace(/^ *(Free|Used|Frequency): .*$/gm, "");
  await must([DEBIAN.lxc, "list"], { env: daemon.env }); // Debian's says hello the first time.
  return [await ask(OURS.lxc), await ask(DEBIAN.lxc)];
}

async function assertAlike(pair: Pair, moving: RegExp): Promise<void> {
  const [ours, theirs] = [await resourcesOf(pair.ours), await resourcesOf(pair.theirs)];

  assert.deepEqual(differences(ours, theirs, moving), []);
  for (const daemon of [pair.ours, pair.theirs]) {
    const [our, their] = await texts(daemon);
    assert.equal(our, their);
  }
}

Deno.test({
  name: "resources: this host's hardware is told alike, and printed alike",
  ignore: !hasLxd,
  async fn() {
    await using pair = await Pair.start();

    await assertAlike(pair, MOVING);
  },
});

Deno.test({
  name: "resources: NUMA, graphics, network, disks, USB, PCI and firmware of a made-up host, too",
  ignore: !hasLxd,
  async fn() {
    await using hardware = await MadeUpHardware.make();
    await using pair = await Pair.start(hardware.root);

    const { gpu, network, usb } = await resourcesOf(pair.theirs);

    const totals = [gpu, network, usb].map((one) => isObject(one) ? one["total"] : undefined);
    assert.deepEqual(totals, [6, 7, 4]);
    await assertAlike(pair, NOTHING);
  },
});
