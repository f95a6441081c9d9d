/** The images that both sides get, as files; made once by our own daemon, on the host's network. */
import { OURS } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import type { ImageFiles } from "./side.ts";

const DAY_MS = 24 * 3600 * 1000;
const KEEP_MS = 14 * DAY_MS;
const BUILD_MS = 600_000;

export async function imageFiles(cache: string): Promise<ImageFiles> {
  const folders = { debian: `${cache}/debian`, busybox: `${cache}/busybox` };
  if (!await isFresh(folders.debian) || !await isFresh(folders.busybox)) await build(cache);
  return { debian: await filesOf(folders.debian), busybox: await filesOf(folders.busybox) };
}

async function isFresh(folder: string): Promise<boolean> {
  const made = (await Deno.stat(folder).catch(() => undefined))?.mtime?.getTime() ?? 0;
  return Date.now() - made < KEEP_MS && (await filesOf(folder)).length > 0;
}

/** The metadata first, as `image import` wants them. */
async function filesOf(folder: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const order = (name: string) => name.startsWith("meta") ? 0 : 1;
  return names.toSorted((a, b) => order(a) - order(b)).map((name) => `${folder}/${name}`);
}

async function build(cache: string): Promise<void> {
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-bench." });
  const env = { LXD_DIR: directory };
  const daemon = new Deno.Command(OURS.lxd, {
    args: ["--group", "root"],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const call = async (method: string, path: string, body?: unknown) => {
    using client = Deno.createHttpClient({
      proxy: { transport: "unix", path: `${directory}/unix.socket` },
    });
    const response = await fetch(`http://daemon${path}`, {
      client,
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(BUILD_MS),
    });
    return await response.json();
  };
  try {
    await must([OURS.lxd, "waitready", "--timeout=30"], { env });
    for (const [alias, recipe] of [["debian", "debian/12"], ["busybox", "busybox"]] as const) {
      const image = { source: { type: "build", alias: recipe }, aliases: [{ name: alias }] };
      const { operation } = await call("POST", "/1.0/images", image);
      const { metadata } = await call("GET", `${operation}/wait`);
      if (metadata.status_code !== 200) throw new Error(`build ${recipe}: ${metadata.err}`);
      const folder = `${cache}/${alias}`;
      await Deno.remove(folder, { recursive: true }).catch(() => undefined);
      await Deno.mkdir(folder, { recursive: true });
      const { fingerprint } = metadata.metadata;
      await exportParts(`${directory}/images/${fingerprint}`, folder);
    }
  } finally {
    await call("PUT", "/internal/shutdown?force=1").catch(() => undefined);
    await daemon.status;
    await Deno.remove(directory, { recursive: true });
  }
}

/** Out of the state directory, where LXD has them too: no client needs to be ready for this. */
async function exportParts(image: string, folder: string): Promise<void> {
  const rootfs = await Deno.stat(`${image}.rootfs`).then(() => true, () => false);
  await Deno.copyFile(image, `${folder}/meta.tar`);
  if (rootfs) await Deno.copyFile(`${image}.rootfs`, `${folder}/rootfs`);
}
