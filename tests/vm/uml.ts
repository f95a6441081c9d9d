/**
 * A throw-away VM of User-Mode-Linux: the command runs as root on a kernel with AppArmor, device-mapper,
 * btrfs, project quotas and cgroup v2, sees the host's file system (read-only below, writable in memory)
 * and ends with its own exit status. Nothing of it stays on the host.
 */
import { makeInitrd, readResult, type VmResult, type VmRun } from "./machine.ts";

const KERNEL = "/usr/bin/linux.uml";
const MODULES = "/usr/lib/uml/modules";

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
  const [release = ""] = [...Deno.readDirSync(MODULES)].map((entry) => entry.name);
  const modules = `${MODULES}/${release}`;
  await makeInitrd(work, run, {
    modules,
    earlyModules: ["overlay"],
    settings: {
      ROOT: "-t hostfs -o ro,/ none",
      LAYER: "",
      ...{ OUT: "tty1", ERR: "tty2", STATUS: "tty3" },
      DISK: "ubda",
      MODULES: modules,
    },
  });
  // Consoles write to descriptors: pipes, because the kernel polls them. All ends with the namespace.
  const script = `cd "$W" && mkfifo p8 p9 p10 p11
cat p8 >console & cat p9 >out & cat p10 >err & cat p11 >status &
"$@" 8>p8 9>p9 10>p10 11>p11
wait`;
  const kernel = [
    KERNEL,
    `mem=${run.memory ?? "2G"}`,
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
  return await readResult(work, { ended: code, limitSeconds: run.limitSeconds, started });
}
