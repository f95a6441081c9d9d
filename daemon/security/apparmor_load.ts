/** Load profiles into the kernel and take them out again: security/apparmor/{profiles,cache}. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { exists, readIfThere, removeIfThere, removeTree } from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";

export interface ProfileFiles {
  /** security/apparmor under the state directory. */
  readonly directory: HostPath;
  /** File name: lxd-<instance>. */
  readonly file: string;
}

/**
 * Write and load a profile; one that is loaded already is replaced, for running processes too.
 *
 * @throws {Fault} bad_request with the parser's words: only raw.apparmor can be wrong.
 */
export async function loadProfile(files: ProfileFiles, text: string): Promise<void> {
  const path = profilePath(files);
  const before = await readIfThere(path);
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  try {
    await run(["apparmor_parser", "-rWL", `${files.directory}/cache`, path]);
  } catch (error) {
    if (before === undefined) await removeIfThere(path);
    else await Deno.writeTextFile(path, before, { mode: 0o600 });
    if (!(error instanceof ExecError)) throw error;
    throw new Fault("bad_request", `cannot load the AppArmor profile: ${error.stderrTail.trim()}`, {
      cause: error,
      hint: "Look at raw.apparmor.",
    });
  }
}

/** Take it out of the kernel; its text and compiled form go too. Idempotent. */
export async function unloadProfile(files: ProfileFiles): Promise<void> {
  const path = profilePath(files);
  if (!await exists(path)) return;
  await run(["apparmor_parser", "-R", path])
    .catch(() => undefined); // Ignored: not loaded, after a restart of the host for one.
  await removeIfThere(path);
  const cache = `${files.directory}/cache`;
  for await (const { name, isDirectory } of Deno.readDir(cache)) {
    if (!isDirectory) continue;
    await removeIfThere(`${cache}/${name}/${files.file}`);
    // The parser notes there what the kernel can do: of no use without a profile.
    const others = [...Deno.readDirSync(`${cache}/${name}`)].filter((one) =>
      one.name !== ".features"
    );
    if (others.length === 0) await removeTree(`${cache}/${name}`);
  }
}

function profilePath({ directory, file }: ProfileFiles): HostPath {
  return hostPath(`${directory}/profiles/${file}`);
}
