/** Run one suite of LXD against a pair of programs, walled off from the host and from other suites. */
import { judge, type Verdict } from "./verdict.ts";
import type { Suite } from "./suites.ts";

export interface Programs {
  readonly lxd: string;
  readonly lxc: string;
  readonly fuidshift: string;
}

/** Storage drivers that suites can run with here. */
export const BACKENDS = ["dir", "btrfs", "lvm", "zfs"] as const;
export type Backend = (typeof BACKENDS)[number];

export interface SuiteRun {
  readonly suite: Suite;
  readonly backend: Backend;
  readonly programs: Programs;
  /** LXD's folder `test/`; copied, because suites write into it. */
  readonly source: string;
  /** Where the log goes. */
  readonly logs: string;
  /** How much longer everything may take here; the suites wait for 2 to 120 s for a command. */
  readonly slowness?: number;
}

export interface SuiteResult extends Verdict {
  readonly suite: Suite;
  readonly seconds: number;
  readonly log: string;
}

/** A suite may take this many times its usual duration, and at least five minutes. */
const PATIENCE = 6;
const LIMIT_SECONDS_MIN = 300;

const HIDDEN_TOOLS = ["criu", "lvm", "zfs", "newuidmap", "newgidmap"];
const NAMESPACES = [
  ...["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"],
  ...["--net", "--ipc", "--uts"],
];
const OWN_NET = new URL("../world/own_net.sh", import.meta.url).pathname;
const INSIDE = new URL("inside.sh", import.meta.url).pathname;

/** Containers of the suites reach their root file system as users of the host without rights. */
const PASSABLE = 0o711;

/**
 * What the suites build with Go: the identity server is only started and killed, so that anything
 * that waits can stand in; devlxd-client is built with Debian's Go, where a suite needs it.
 */
const GO_STAND_IN = `#!/bin/sh
case "\${PWD##*/}" in
macaroon-identity)
  printf '#!/bin/sh\\nexec sleep infinity\\n' >macaroon-identity
  chmod +x macaroon-identity ;;
*)
  GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 exec /usr/bin/go "$@" ;;
esac
`;

/** timeout(1), more patient. */
const patientTimeout = (slowness: number) =>
  `#!/bin/bash
options=()
while [ $# -gt 0 ]; do
  case "$1" in
  -k) options+=(-k "$(($2 * ${slowness}))"); shift 2 ;;
  --*) options+=("$1"); shift ;;
  *) break ;;
  esac
done
limit=$1
shift
exec /usr/bin/timeout "\${options[@]}" "$((limit * ${slowness}))" "$@"
`;

export async function runSuite(run: SuiteRun): Promise<SuiteResult> {
  const started = performance.now();
  // Not below /tmp, which may be in memory.
  const work = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "lxd-suite." });
  await using _cleanup = {
    [Symbol.asyncDispose]: () => Deno.remove(work, { recursive: true }),
  };
  await prepare(work, run);
  const log = `${run.logs}/${run.suite.name}.log`;
  const { code } = await new Deno.Command("unshare", {
    args: [...NAMESPACES, "bash", "-c", `exec "$1" "$2" >"$3" 2>&1`, "-", OWN_NET, INSIDE, log],
    clearEnv: true,
    env: environment(work, run),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(await Deno.readFile(log));
  const seconds = Math.round((performance.now() - started) / 1000);
  return { suite: run.suite, seconds, log, ...judge(text, code) };
}

async function prepare(work: string, { programs, source, slowness }: SuiteRun): Promise<void> {
  await Deno.chmod(work, PASSABLE);
  await Deno.mkdir(`${work}/bin`);
  for (const [name, program] of Object.entries(programs)) {
    await Deno.symlink(program, `${work}/bin/${name}`);
  }
  await Deno.writeTextFile(`${work}/bin/go`, GO_STAND_IN, { mode: 0o755 });
  if (slowness !== undefined) {
    await Deno.writeTextFile(`${work}/bin/timeout`, patientTimeout(slowness), { mode: 0o755 });
  }
  const { success, stderr } = await new Deno.Command("cp", {
    args: ["-a", "--", source, `${work}/test`],
  }).output();
  if (!success) throw new Error(`copy the suites: ${new TextDecoder().decode(stderr)}`);
}

function environment(work: string, { suite, backend }: SuiteRun): Record<string, string> {
  return {
    PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    USER: "root",
    TERM: "xterm",
    LXD_BACKEND: backend,
    LXD_OFFLINE: "1",
    LXD_VERBOSE: "1",
    EASYRSA_BATCH: "1",
    HIDDEN_TOOLS: HIDDEN_TOOLS.filter((tool) => tool !== backend && tool !== suite.tool).join(" "),
    WORK: work,
    SUITE: suite.name,
    LIMIT: `${Math.max(LIMIT_SECONDS_MIN, suite.seconds * PATIENCE)}`,
    TERMINAL: suite.terminal === true ? "yes" : "",
    ...suite.parallel === true ? { LXD_CONCURRENT: "4" } : {},
  };
}
