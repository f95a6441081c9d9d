/** What tools/test runs, in this order, each with its time limit. */
import { failedFiles, failedSuites, failedVms } from "./failed_parts.ts";

export interface Step {
  readonly name: string;
  readonly argv: readonly string[];
  /** How its result is counted: the step itself, the tests that it ran, or its last line. */
  readonly count: "step" | "deno test" | "last line";
  readonly limitSeconds: number;
  /** Not run when this step failed: its result would say nothing. */
  readonly needs?: string;
  /** How parts of it are run a second time. */
  readonly again?: Again;
}

export interface Again {
  /** The parts that failed, by what the step printed. */
  failed(output: string): readonly string[];
  argv(parts: readonly string[]): readonly string[];
}

const DENO_TEST = ["deno", "test", "-A", "--no-check", "--no-prompt"];

/** Folders whose tests need neither root nor the kernel's help: they run side by side. */
const UNIT_FOLDERS = ["base", "api", "ffi", "cli", "daemon", "tools"];

const CHECKED = [...UNIT_FOLDERS, "tests", "mod.ts"];

/**
 * Groups of steps: those of a group run side by side.
 *
 * @param files All test files.
 * @param all Also what takes long: thorough tests, real clients, LXD's own suites, other kernels.
 */
export function wholeRun(files: readonly string[], all: boolean): readonly (readonly Step[])[] {
  const conformance: Step = {
    name: "LXD's suites",
    argv: ["tools/compat", "--required", "--budget", "25m"],
    count: "last line",
    limitSeconds: 40 * 60,
    needs: "build",
    again: {
      failed: failedSuites,
      argv: (suites) => ["tools/compat", ...suites],
    },
  };
  const machines: Step = {
    name: "VMs",
    // All of LVM takes ten minutes, ZFS an hour: by hand.
    argv: ["tools/test", "vm", "storage_dir", "storage_lvm_kinds", "limits_v2"],
    count: "last line",
    limitSeconds: 12 * 60,
    needs: "types",
    again: {
      failed: failedVms,
      argv: (files) => ["tools/test", "vm", ...files],
    },
  };
  return [
    [BUILD],
    [
      { name: "format", argv: ["deno", "fmt", "--check"], count: "step", limitSeconds: 60 },
      { name: "lint", argv: ["deno", "lint"], count: "step", limitSeconds: 60 },
      { name: "types", argv: ["deno", "check", ...CHECKED], count: "step", limitSeconds: 300 },
    ],
    [unitTests([...UNIT_FOLDERS, "tests/tidy_test.ts", "tests/docs_test.ts"])],
    kernelLanes(files, all).map((lane, index) =>
      all
        ? kernelTests(`kernel ${index + 1}`, lane, 1500, ["LXD_TEST_EVERY_EFFECT=1"])
        : kernelTests(`kernel ${index + 1}`, lane, 600)
    ),
    ...all
      ? [
        clientLanes(files).map((lane, index) => kernelTests(`clients ${index + 1}`, lane, 900)),
        [machines],
        [conformance],
      ]
      : [],
  ];
}

const BUILD: Step = { name: "build", argv: ["tools/build"], count: "step", limitSeconds: 300 };

/** They go through every step, size or crowd, and take long: with --all, or by name. */
const THOROUGH = [
  "api_property",
  "crash_",
  "device_",
  "exec_crowd",
  "file_tree",
  "full_pool",
  "migration",
  "rebuild",
  "slow_transfer",
  "storage_",
];

/**
 * Processes of about the same length, more than there are processors, since tests wait much: each test
 * has a daemon in namespaces of its own and looks for what is left there, so that a neighbour is not in
 * its way.
 */
function kernelLanes(files: readonly string[], all: boolean): readonly (readonly string[])[] {
  const isThorough = (path: string) =>
    THOROUGH.some((start) => path.startsWith(`tests/kernel/${start}`));
  const kernel = files.filter((path) =>
    path.startsWith("tests/kernel/") && (all || !isThorough(path))
  );
  const bounds = ["", "device_nic", "p", "~"].map((start) => `tests/kernel/${start}`);
  return bounds.slice(1).map((end, index) => {
    const start = bounds[index] ?? "";
    return kernel.filter((path) => path >= start && path < end);
  });
}

/** Comparisons with Debian's programs, and days of work with real clients. */
function clientLanes(files: readonly string[]): readonly (readonly string[])[] {
  const clients = files.filter((path) => path.startsWith("tests/compat/"));
  const isTwin = (path: string) => path.startsWith("tests/compat/twins/");
  return [clients.filter(isTwin), clients.filter((path) => !isTwin(path))];
}

function unitTests(paths: readonly string[]): Step {
  const argv = (files: readonly string[]) => [
    ...DENO_TEST,
    "--parallel",
    "--permit-no-files",
    ...files,
  ];
  return {
    name: "unit",
    argv: argv(paths),
    count: "deno test",
    limitSeconds: 300,
    again: { failed: failedFiles, argv },
  };
}

/** One file after the other: they share the kernel's time. */
function kernelTests(
  name: string,
  paths: readonly string[],
  limitSeconds: number,
  environment: readonly string[] = [],
): Step {
  const argv = (files: readonly string[]) => [
    "env",
    ...environment,
    ...DENO_TEST,
    "--permit-no-files",
    ...files,
  ];
  return {
    name,
    argv: argv(paths),
    count: "deno test",
    limitSeconds,
    needs: "build",
    again: { failed: failedFiles, argv },
  };
}

/** Only the test files whose path contains one of the words; side by side where that is safe. */
export function filteredRun(
  files: readonly string[],
  words: readonly string[],
): readonly (readonly Step[])[] {
  const wanted = files.filter((path) => words.some((word) => path.includes(word)));
  const shares = (path: string) => /^tests\/(kernel|compat|suites|vm)\//.test(path);
  const unit = wanted.filter((path) => !shares(path));
  const kernel = wanted.filter(shares);
  return [
    [BUILD],
    ...unit.length > 0 ? [[unitTests(unit)]] : [],
    ...kernel.length > 0 ? [[kernelTests("kernel", kernel, 1800)]] : [],
  ];
}
