/** What all test VMs share: the run, its result, and the initrd whose process 1 is init.sh. */

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

/** How init.sh and inside.sh find their way in one kind of machine. */
export interface MachineSettings {
  /** Arguments of mount(8) for the host's file system. */
  readonly ROOT: string;
  /** The same for what lies above it; "": nothing. */
  readonly LAYER: string;
  /** Devices of standard output, standard error and the exit status. */
  readonly OUT: string;
  readonly ERR: string;
  readonly STATUS: string;
  /** The scratch disk. */
  readonly DISK: string;
  /** Modules of the kernel, where the root has them not in /lib/modules. */
  readonly MODULES: string;
}

/** What process 1 runs, before and after it has a root. */
const SCRIPTS = { "init.sh": "init", "inside.sh": "inside.sh" };

/** busybox, process 1, the early modules and the command, as a cpio archive `<work>/initrd`. */
export async function makeInitrd(work: string, run: VmRun, machine: {
  readonly settings: MachineSettings;
  /** Modules that process 1 needs before it has a root file system. */
  readonly earlyModules: readonly string[];
  /** Folder with modules.dep. */
  readonly modules: string;
}): Promise<void> {
  const tree = `${work}/tree`;
  for (const folder of ["bin", "modules", "dev"]) {
    await Deno.mkdir(`${tree}/${folder}`, { recursive: true });
  }
  await Deno.copyFile("/bin/busybox", `${tree}/bin/busybox`);
  for (const [name, target] of Object.entries(SCRIPTS)) {
    await Deno.copyFile(new URL(name, import.meta.url), `${tree}/${target}`);
    await Deno.chmod(`${tree}/${target}`, 0o755);
  }
  const order: string[] = [];
  for (const name of machine.earlyModules) {
    for (const path of await modulePaths(machine.modules, name)) {
      const file = path.slice(path.lastIndexOf("/") + 1);
      if (order.includes(file)) continue;
      await Deno.copyFile(path, `${tree}/modules/${file}`);
      order.push(file);
    }
  }
  await Deno.writeTextFile(`${tree}/modules/order`, order.map((name) => `${name}\n`).join(""));
  const settings = Object.entries(machine.settings).map(([key, value]) => `${key}=${quote(value)}`);
  await Deno.writeTextFile(`${tree}/machine`, settings.map((line) => `${line}\n`).join(""));
  await Deno.writeTextFile(`${tree}/command`, commandText(run));
  const pack = `cd "$1" && find . | busybox cpio -o -H newc >"$2" 2>/dev/null`;
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-c", pack, "-", tree, `${work}/initrd`],
  }).output();
  if (!success) throw new Error(`no initrd: ${new TextDecoder().decode(stderr)}`);
}

/** What the machine left in `work`: console, out, err and status. @param ended Of timeout(1). */
export async function readResult(work: string, { ended, limitSeconds, started }: {
  readonly ended: number;
  readonly limitSeconds: number;
  readonly started: number;
}): Promise<VmResult> {
  const read = (name: string) => Deno.readTextFile(`${work}/${name}`).catch(() => "");
  const status = (await read("status")).trim();
  const exit = /^exit (\d+)$/m.exec(status.replaceAll("\r", ""))?.[1];
  const why = ended === 124 || ended === 137
    ? `\nthe VM took more than ${limitSeconds} s`
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

/** A script that runs the command with its environment in its directory. Pure. */
function commandText({ argv, directory, environment }: VmRun): string {
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

/** Files of a module and of those that it needs, in the order to load them; none if it is built in. */
async function modulePaths(base: string, name: string): Promise<string[]> {
  const hasModule = (line: string) => line.split(":")[0]?.endsWith(`/${name}.ko`);
  const line = (await Deno.readTextFile(`${base}/modules.dep`)).split("\n").find(hasModule);
  if (line === undefined) {
    const builtIn = await Deno.readTextFile(`${base}/modules.builtin`);
    if (builtIn.split("\n").some(hasModule)) return [];
    throw new Error(`the kernel of the VM has no module ${name}`);
  }
  const [own = "", needed = ""] = line.split(":");
  return [...needed.trim().split(/\s+/).filter((one) => one !== "").toReversed(), own]
    .map((path) => path.startsWith("/") ? path : `${base}/${path}`);
}
