/**
 * tools/test vm [WORD...]: run the tests of tests/vm in a throw-away VM whose kernel has what they
 * need. The last line counts the tests. Without words those of User-Mode-Linux: what needs the slow QEMU
 * or a Debian image is asked for by name.
 */
import { hostPath } from "#base/brand.ts";
import { buildHelper } from "#tests/kernel/ffi_support.ts";
import { countResults, failureText } from "#tools/testing/count.ts";
import { suitesForVm } from "./compat.ts";
import { buildDebian } from "./debian.ts";
import type { VmResult, VmRun } from "./machine.ts";
import { runInQemu } from "./qemu.ts";
import { runInUml } from "./uml.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");

const DEBIAN = `${root}/.cache/vm/debian`;

interface Machine {
  readonly name: string;
  readonly limitSeconds: number;
  /** How many of them run side by side. */
  readonly atOnce: number;
  /** What all runs need. */
  prepare(): Promise<void>;
  run(run: VmRun): Promise<VmResult>;
}

/** Slower than the host by this, at most. */
const SLOWNESS = 12;

const UML: Machine = {
  name: "User-Mode-Linux",
  limitSeconds: 900,
  atOnce: Infinity,
  prepare: () => Promise.resolve(),
  run: runInUml,
};

const ZFS_KERNEL = `${root}/.cache/vm/zfs`;

/** The first run builds the modules, which takes ten minutes or more and is not limited. */
const QEMU: Machine = {
  name: "QEMU",
  limitSeconds: 3600,
  atOnce: navigator.hardwareConcurrency,
  async prepare() {
    await mustRun(["tools/bootstrap", "qemu-system-x86", "make", "libelf1", "criu"]);
    await mustRun(["tests/vm/zfs_kernel.sh", ZFS_KERNEL]);
  },
  run: (run) => runInQemu(run, ZFS_KERNEL),
};

/** ZFS, CRIU, USB and nft rules for IP are nothing for User-Mode-Linux. */
const machineOf = (name: string) => /zfs|stateful|usb|compat_nic/.test(name) ? QEMU : UML;

/** So many of LXD's suites one after the other take longer than CI has. */
const isLong = (name: string) => name.startsWith("compat_kernel");

/** They want Debian in a container: its image is built outside, once. */
const needsDebian = (name: string) => ["docker", "fuse"].some((word) => name.includes(word));

/** They start the program as it is built. */
const needsBinary = (name: string) => needsDebian(name) || /^(usb|compat)_/.test(name);

export async function runVmTests(words: readonly string[]): Promise<number> {
  const names = [...Deno.readDirSync(`${root}/tests/vm`)].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.ts"));
  const isWanted = (name: string) =>
    words.length === 0
      ? machineOf(name) === UML && !needsDebian(name) && !isLong(name)
      : words.some((word) => name.includes(word));
  const wanted = names.filter(isWanted).toSorted();
  if (wanted.length === 0) {
    console.error(`tools/test vm: no test file's name contains ${words.join(" or ")}`);
    return 2;
  }
  if (words.length === 0) {
    console.log("not run: ZFS, CRIU and USB, in QEMU (tools/test vm zfs stateful usb, by hand)");
    console.log("not run: Docker and FUSE in Debian (tools/test vm docker fuse, by hand)");
    console.log(
      "not run: LXD's suites of devices (tools/test vm compat_kernel compat_nic, by hand)",
    );
  }
  if (wanted.some((name) => name.startsWith("compat_"))) await suitesForVm();
  const helper = await builtHelper();
  if (wanted.some(needsBinary)) await mustRun(["tools/build"]);
  if (wanted.some(needsDebian)) await buildDebian(DEBIAN);
  const results = (await Promise.all(
    [UML, QEMU].map((machine) =>
      runAll(machine, wanted.filter((name) => machineOf(name) === machine), helper)
    ),
  )).flat();
  const sum = (key: "passed" | "failed") => results.reduce((all, one) => all + one[key], 0);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
  return sum("failed") > 0 ? 1 : 0;
}

/** Built outside: compilers are slow in there. */
async function builtHelper(): Promise<string> {
  const folder = hostPath(`${root}/.cache/vm`);
  await Deno.mkdir(folder, { recursive: true });
  return await buildHelper(folder);
}

/** Project quotas don't count for who has that capability; growing a mounted ext4 needs it. */
const WITHOUT_RESOURCE = [
  ...["setpriv", "--inh-caps=-sys_resource", "--bounding-set=-sys_resource"],
];

/** They have one processor: each file has one of its own. */
async function runAll(machine: Machine, files: readonly string[], helper: string) {
  if (files.length === 0) return [];
  await machine.prepare();
  const queue = [...files];
  const results: Result[] = [];
  const work = async () => {
    for (let file; (file = queue.shift()) !== undefined;) {
      results.push(await runOn(machine, file, helper));
    }
  };
  await Promise.all(Array.from({ length: Math.min(machine.atOnce, files.length) }, work));
  return results;
}

interface Result {
  readonly passed: number;
  readonly failed: number;
}

async function runOn(machine: Machine, file: string, helper: string): Promise<Result> {
  const filter = Deno.env.get("VM_FILTER") ?? "";
  const { code, stdout, stderr, seconds } = await machine.run({
    // Types were checked outside.
    argv: [
      ...(file === "storage_dir_test.ts" ? WITHOUT_RESOURCE : []),
      ...["deno", "test", "-A", "--no-check", "--no-prompt"],
      ...(filter === "" ? [] : [`--filter=${filter}`]),
      `tests/vm/${file}`,
    ],
    directory: root,
    environment: {
      PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      DENO_DIR: "/tmp/deno",
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      CI_REQUIRE_ALL: "1",
      VM_HELPER: helper,
      LXD_TEST_SLOWNESS: `${SLOWNESS}`,
      ...needsDebian(file) && { VM_DEBIAN: DEBIAN },
    },
    limitSeconds: Number(
      Deno.env.get("VM_LIMIT_SECONDS") ?? machine.limitSeconds * (needsDebian(file) ? 2 : 1),
    ),
  });
  const output = `${stdout}${stderr}`;
  const { passed, failed, ignored } = countResults("deno test", output, code === 0);
  if (failed > 0) console.log(failureText("deno test", output));
  for (const line of output.split("\n").filter((one) => /\.\.\. .*(ok|FAILED)/.test(one))) {
    console.log(line);
  }
  console.log(
    `${machine.name}: ${file}, ${failed} failed, ${ignored} ignored, ${seconds.toFixed(0)} s`,
  );
  return { passed, failed };
}

async function mustRun(argv: readonly string[]): Promise<void> {
  const [program = "", ...args] = argv;
  const { success } = await new Deno.Command(program, { args, cwd: root, stdout: "inherit" })
    .spawn()
    .status;
  if (!success) throw new Error(`${argv.join(" ")} failed`);
}
