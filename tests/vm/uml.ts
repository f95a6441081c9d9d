/**
 * A throw-away VM of User-Mode-Linux: the command runs as root on a kernel with AppArmor, device-mapper,
 * btrfs, project quotas and cgroup v2, sees the host's file system (read-only below, writable in memory)
 * and ends with its own exit status. Nothing of it stays on the host.
 */

export interface VmRun {
  readonly argv: readonly string[];
  /** Where it runs; seen in the VM at the same path. */
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly limitSeconds: number;
  readonly memory?: string;
  /** Of the scratch disk at /var/tmp; sparse on the host. */
  readonly diskGib?: number;
}

export interface VmResult {
  /** undefined: the VM itself failed, `stderr` says how. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

const KERNEL = "/usr/bin/linux.uml";
const MODULES = "/usr/lib/uml/modules";
/** What stage 1 needs before it has a root file system. */
const EARLY_MODULES = ["overlay"];
const INIT = new URL("init.sh", import.meta.url).pathname;

export async function runInUml(run: VmRun): Promise<VmResult> {
  const started = performance.now();
  // In memory: the kernel maps its memory from a file there.
  const work = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "lxd-vm." });
  const disk = await Deno.makeTempFile({ dir: "/var/tmp", prefix: "lxd-vm.", suffix: ".disk" });
  await using _cleanup = {
    async [Symbol.asyncDispose]() {
      await Deno.remove(work, { recursive: true });
      await Deno.remove(disk);
    },
  };
  await Deno.truncate(disk, (run.diskGib ?? 16) * 2 ** 30);
  await makeInitrd(work, run);
  // Consoles write to descriptors: pipes, because the kernel polls them. All ends with the namespace.
  const script = `cd "$W" && mkfifo p8 p9 p10 p11
cat p8 >console & cat p9 >out & cat p10 >err & cat p11 >status &
"$@" 8>p8 9>p9 10>p10 11>p11
wait`;
  const kernel = [
    KERNEL,
    `mem=${run.memory ?? "3G"}`,
    `initrd=${work}/initrd`,
    `ubd0=${disk}`,
    ...["con0=null,fd:8", "con1=null,fd:9", "con2=null,fd:10", "con3=null,fd:11"],
    ...["con=null", "ssl=null", "quiet", "lsm=landlock,yama,apparmor", "panic=-1"],
    ...[`umid=vm`, `uml_dir=${work}/`],
  ];
  const { code } = await new Deno.Command("timeout", {
    args: [
      ...["--kill-after=5", `${run.limitSeconds}`, "unshare", "--pid", "--fork", "--kill-child"],
      ...["bash", "-c", script, "-", ...kernel],
    ],
    env: { W: work, TMPDIR: work },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  const read = (name: string) => Deno.readTextFile(`${work}/${name}`).catch(() => "");
  const status = (await read("status")).trim();
  const exit = /^exit (\d+)$/m.exec(status)?.[1];
  const why = code === 124 || code === 137
    ? `\nthe VM took more than ${run.limitSeconds} s`
    : exit === undefined
    ? `\nthe VM failed: ${status}\n${(await read("console")).slice(-2000)}`
    : "";
  return {
    code: exit === undefined ? undefined : Number(exit),
    stdout: (await read("out")).replaceAll("\r\n", "\n"),
    stderr: (await read("err")).replaceAll("\r\n", "\n") + why,
    seconds: (performance.now() - started) / 1000,
  };
}

/** busybox, process 1, the early modules and the command, as a cpio archive. */
async function makeInitrd(work: string, run: VmRun): Promise<void> {
  const tree = `${work}/tree`;
  for (const folder of ["bin", "modules", "dev"]) {
    await Deno.mkdir(`${tree}/${folder}`, { recursive: true });
  }
  await Deno.copyFile("/bin/busybox", `${tree}/bin/busybox`);
  await Deno.copyFile(INIT, `${tree}/init`);
  await Deno.chmod(`${tree}/init`, 0o755);
  const order: string[] = [];
  for (const name of EARLY_MODULES) {
    for (const path of await modulePaths(name)) {
      const file = path.slice(path.lastIndexOf("/") + 1);
      if (order.includes(file)) continue;
      await Deno.copyFile(path, `${tree}/modules/${file}`);
      order.push(file);
    }
  }
  await Deno.writeTextFile(`${tree}/modules/order`, order.map((name) => `${name}\n`).join(""));
  await Deno.writeTextFile(`${tree}/command`, commandText(run));
  await must(["bash", "-c", `cd "$1" && find . | busybox cpio -o -H newc >"$2" 2>/dev/null`, "-"], [
    tree,
    `${work}/initrd`,
  ]);
}

/** A script that runs the command with its environment in its directory. Pure. */
export function commandText({ argv, directory, environment }: VmRun): string {
  const all = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    USER: "root",
    TERM: "dumb",
    LC_ALL: "C.UTF-8",
    ...environment,
  };
  return [
    ...Object.entries(all).map(([key, value]) => `export ${key}=${quote(value)}`),
    `cd ${quote(directory)}`,
    `exec ${argv.map(quote).join(" ")}`,
    "",
  ].join("\n");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Files of a module and of those that it needs, in the order to load them. */
async function modulePaths(name: string): Promise<string[]> {
  const [release] = [...Deno.readDirSync(MODULES)].map((entry) => entry.name);
  const base = `${MODULES}/${release}`;
  const list = await Deno.readTextFile(`${base}/modules.dep`);
  const line = list.split("\n").find((one) => one.split(":")[0]?.endsWith(`/${name}.ko`));
  if (line === undefined) throw new Error(`User-Mode-Linux has no module ${name}`);
  const [own = "", needed = ""] = line.split(":");
  return [...needed.trim().split(/\s+/).filter((one) => one !== "").toReversed(), own]
    .map((path) => path.startsWith("/") ? path : `${base}/${path}`);
}

async function must(argv: readonly string[], more: readonly string[]): Promise<void> {
  const [program = "", ...args] = [...argv, ...more];
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}
