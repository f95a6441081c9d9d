/**
 * A throw-away VM of QEMU without hardware help: Debian's own kernel with ZFS, which User-Mode-Linux
 * can't have. The command runs as root, sees the host's file system (read-only below, writable in
 * memory) and ends with its own exit status. Nothing of it stays on the host but the built modules in
 * .cache/vm.
 */
import { makeInitrd, readResult, type VmResult, type VmRun } from "./machine.ts";

const EARLY_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_blk"];
const MOUNT_SHARE = "-t 9p -o " +
  "ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose,access=any";

/**
 * Without what is slow to emulate, or more work for the kernel, and is of no use here. One processor, as
 * a second one costs more than it does: each change of a page table waits for both. All in all a program
 * takes a third of the time.
 */
const PROCESSOR = ["-smp", "1", "-cpu", "max,-avx,-avx2,-la57,-smap,-smep,-pku"];
/** Code at the address where it was the last time (norandmaps) is not translated anew. */
const KERNEL = "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off init_on_alloc=0 " +
  "norandmaps";

/** @param kernel What zfs_kernel.sh made: vmlinuz, and `root` with modules and the tools of ZFS. */
export async function runInQemu(run: VmRun, kernel: string): Promise<VmResult> {
  const started = performance.now();
  const work = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-vm." });
  await using _cleanup = {
    [Symbol.asyncDispose]: () => Deno.remove(work, { recursive: true }),
  };
  const disk = `${work}/disk`;
  await Deno.writeTextFile(disk, "");
  await Deno.truncate(disk, (run.diskGib ?? 16) * 2 ** 30);
  const folder = `${kernel}/root/usr/lib/modules`;
  const [release = ""] = [...Deno.readDirSync(folder)].map((entry) => entry.name);
  await makeInitrd(work, run, {
    modules: `${folder}/${release}`,
    earlyModules: EARLY_MODULES,
    settings: {
      ROOT: `${MOUNT_SHARE} root`,
      LAYER: `${MOUNT_SHARE} layer`,
      ...{ OUT: "ttyS1", ERR: "ttyS2", STATUS: "ttyS3" },
      DISK: "vda",
      MODULES: "",
    },
  });
  const { code, stderr } = await new Deno.Command("timeout", {
    args: [
      ...["--kill-after=5", `${run.limitSeconds}`, "qemu-system-x86_64"],
      ...["-machine", "q35", "-accel", "tcg", ...PROCESSOR],
      ...["-m", run.memory ?? "3G", "-nodefaults", "-no-user-config", "-no-reboot"],
      ...["-display", "none", "-monitor", "none"],
      ...["-kernel", `${kernel}/vmlinuz`, "-initrd", `${work}/initrd`],
      ...["-append", KERNEL],
      ...["console", "out", "err", "status"].flatMap((name) => ["-serial", `file:${work}/${name}`]),
      ...share("root", "/"),
      ...share("layer", `${kernel}/root`),
      ...["-device", "virtio-rng-pci"],
      ...hardware(work),
      ...["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe,discard=unmap`],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const result = await readResult(work, { ended: code, limitSeconds: run.limitSeconds, started });
  if (result.code !== undefined) return result;
  return {
    ...result,
    stderr: `${result.stderr}\n${new TextDecoder().decode(stderr).slice(-2000)}`,
  };
}

/**
 * A USB controller, and QEMU's own monitor on a port inside: a test plugs what it likes (usb.ts). A disk
 * and a serial line wait for their USB ends.
 */
function hardware(work: string): string[] {
  const monitor = `path=${work}/monitor`;
  return [
    ...["-device", "qemu-xhci,id=usb", "-chardev", "null,id=line"],
    ...["-blockdev", "driver=null-co,node-name=stick,size=1048576,read-zeroes=on"],
    ...["-chardev", `socket,id=monitor,${monitor},server=on,wait=off`],
    ...["-mon", "chardev=monitor,mode=control", "-chardev", `socket,id=port,${monitor}`],
    ...["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port,name=monitor"],
  ];
}

function share(tag: string, path: string): string[] {
  const options = "security_model=passthrough,multidevs=remap,readonly=on";
  return [
    ...["-fsdev", `local,id=${tag},path=${path},${options}`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
}
