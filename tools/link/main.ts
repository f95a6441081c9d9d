/** Build dist/lxd: bundles, C parts, linking, and the code cache made by a first run. */
import { ifThere, removeIfThere } from "#daemon/host/files.ts";
import { bundleDaemon, bundleStart, bundleWhole, stopBundler } from "./bundle.ts";
import { link, type Payload } from "./link.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const dist = `${root}/dist`;

const CC_HELPER = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"];
const CC_ENTRY = [
  "gcc",
  "-Os",
  "-ffreestanding",
  "-fno-builtin",
  "-fPIC",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-jump-tables",
  "-fno-tree-loop-distribute-patterns",
  "-nostdlib",
  "-static",
  "-Wl,--build-id=none",
  "-Wl,-e,_entry",
  "-Wl,-z,noexecstack",
  "-Wall",
];

async function run(argv: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const [program = "", ...args] = argv;
  const { success, stderr } = await new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${argv.join(" ")}\n${new TextDecoder().decode(stderr)}`);
}

async function newest(paths: readonly string[]): Promise<number> {
  const times = await Promise.all(
    paths.map(async (path) => (await Deno.stat(path)).mtime?.getTime()),
  );
  return Math.max(...times.map((time) => time ?? 0));
}

async function isFresh(target: string, sources: readonly string[]): Promise<boolean> {
  const made = (await Deno.stat(target).catch(ifThere))?.mtime?.getTime() ?? 0;
  return made > await newest(sources);
}

async function compileHelper(): Promise<string> {
  const folder = `${root}/ffi/native`;
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const sources = names.filter((name) => /^helper.*\.[ch]$/.test(name)).map((name) =>
    `${folder}/${name}`
  );
  const target = `${dist}/helper`;
  if (await isFresh(target, sources)) return target;
  const files = sources.filter((path) => path.endsWith(".c")).toSorted();
  await run([...CC_HELPER, "-s", "-o", `${target}.new`, ...files, "-llxc"]);
  await Deno.rename(`${target}.new`, target);
  return target;
}

async function compileEntry(): Promise<string> {
  const [source, script] = [`${root}/ffi/native/entry.c`, `${root}/ffi/native/entry.ld`];
  const target = `${dist}/entry.bin`;
  if (await isFresh(target, [source, script])) return target;
  const machine = Deno.build.arch === "x86_64"
    ? "-fcf-protection=none"
    : "-mbranch-protection=none";
  await run([...CC_ENTRY, machine, `-Wl,-T,${script}`, "-o", `${dist}/entry.elf`, source]);
  await run(["objcopy", "-O", "binary", "-j", ".text", `${dist}/entry.elf`, target]);
  await Deno.remove(`${dist}/entry.elf`);
  return target;
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.writeFile(`${path}.new`, bytes, { mode: 0o755 });
  await Deno.rename(`${path}.new`, path);
}

/** V8's code cache of the daemon's part, as this runtime makes it. */
async function makeCache(input: Parameters<typeof link>[0]): Promise<Uint8Array> {
  const first = `${dist}/lxd.first`;
  const file = `${dist}/lxd.cache`;
  await write(first, link({ ...input, saveCache: true }));
  try {
    await run([first, "daemon", "--compile-only"], { LXD_SAVE_CODE_CACHE: file });
    return await Deno.readFile(file);
  } finally {
    await Deno.remove(first);
    await removeIfThere(file);
  }
}

async function main(): Promise<void> {
  const started = performance.now();
  await Deno.mkdir(dist, { recursive: true });
  const [exec, common, whole, daemon, helperPath, entryPath] = await Promise.all([
    bundleStart(root, "exec"),
    bundleStart(root, "common"),
    bundleWhole(root),
    bundleDaemon(root),
    compileHelper(),
    compileEntry(),
  ]);
  await stopBundler();
  await Deno.writeTextFile(`${dist}/client.meta.json`, JSON.stringify(common.meta));
  const [runtime, helper, entry] = await Promise.all([
    Deno.readFile(Deno.execPath()),
    Deno.readFile(helperPath),
    Deno.readFile(entryPath),
  ]);
  const payload: Payload = {
    exec: exec.code,
    common: common.code,
    whole: whole.code,
    daemon: daemon.code,
    cache: new Uint8Array(),
    helper,
  };
  const cache = await makeCache({ runtime, entry, payload });
  await write(`${dist}/lxd`, link({ runtime, entry, payload: { ...payload, cache } }));
  for (const name of ["lxc", "fuidshift"]) {
    await removeIfThere(`${dist}/${name}`);
    await Deno.symlink("lxd", `${dist}/${name}`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const kilobytes = (bytes: Uint8Array) => `${Math.round(bytes.length / 1000)} kB`;
  console.log(
    `dist/lxd in ${seconds} s: client ${kilobytes(common.code)} (exec ${
      kilobytes(exec.code)
    }, whole ${kilobytes(whole.code)}), daemon ${kilobytes(daemon.code)}, ` +
      `code cache ${kilobytes(cache)}, helper ${kilobytes(helper)}`,
  );
}

await main();
