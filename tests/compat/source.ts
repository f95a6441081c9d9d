/**
 * LXD's own test suite, out of Debian's source package: fetched by apt (which checks signatures and
 * sums) with a configuration of its own, so that the host's apt lists stay as they are.
 */

const VERSION = "5.0.2";
const RELEASE = "bookworm";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRIES = 3;

/** @returns The folder `test/` of LXD's source, below `cache`. Fetched once, then kept. */
export async function fetchSuites(cache: string): Promise<string> {
  const folder = `${cache}/lxd-${VERSION}`;
  if (await exists(folder)) return `${folder}/test`;
  const downloads = `${cache}/downloads`;
  await Deno.mkdir(downloads, { recursive: true });
  const archive = await findArchive(downloads) ?? await download(cache, downloads);
  const half = `${folder}.half`;
  await Deno.remove(half, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(half);
  await run(["tar", "-xf", archive, "-C", half, "--strip-components=1"]);
  await Deno.rename(half, folder);
  return `${folder}/test`;
}

async function download(cache: string, downloads: string): Promise<string> {
  const apt = await writeAptConfig(cache);
  await run(["apt-get", "-q", "update"], apt, TRIES);
  const source = ["apt-get", "-q", "source", "--download-only", "lxd"];
  await run(source, { ...apt, cwd: downloads }, TRIES);
  const archive = await findArchive(downloads);
  if (archive === undefined) {
    throw new Error(`Debian's source package lxd of ${RELEASE} is not version ${VERSION}`);
  }
  return archive;
}

interface Surroundings {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

async function writeAptConfig(cache: string): Promise<Surroundings> {
  const folder = `${cache}/apt`;
  await Deno.mkdir(`${folder}/lists/partial`, { recursive: true });
  await Deno.mkdir(`${folder}/cache/archives/partial`, { recursive: true });
  const config = [
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "/dev/null";`,
    `Dir::State::lists "${folder}/lists";`,
    `Dir::Cache "${folder}/cache";`,
    `Acquire::Retries "3";`,
    `APT::Sandbox::User "root";`,
  ];
  await Deno.writeTextFile(`${folder}/apt.conf`, config.join("\n") + "\n");
  const line = `deb-src [signed-by=${KEYRING}] ${await hostMirror()} ${RELEASE} main\n`;
  await Deno.writeTextFile(`${folder}/sources.list`, line);
  return { env: { APT_CONFIG: `${folder}/apt.conf` } };
}

/** The mirror from which this host gets its packages of the component main. */
async function hostMirror(): Promise<string> {
  const targets = await run([
    "apt-get",
    "indextargets",
    "--format",
    "$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)",
  ]);
  const mirror = /^Packages main \w+ (\S+)$/m.exec(targets)?.[1];
  if (mirror === undefined) {
    throw new Error("cannot find a Debian mirror: apt has no source of component main");
  }
  return mirror;
}

async function findArchive(folder: string): Promise<string | undefined> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(`lxd_${VERSION}.orig.tar.`)) return `${folder}/${name}`;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** @param tries Mirrors fail now and then. @returns Standard output. */
async function run(argv: readonly string[], at: Surroundings = {}, tries = 1): Promise<string> {
  const [program = "", ...args] = argv;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    ...at,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  if (tries > 1) return await run(argv, at, tries - 1);
  throw new Error(`${argv.join(" ")}: ${text(stderr).trim().slice(-2000)}`);
}
