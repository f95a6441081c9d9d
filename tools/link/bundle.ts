/**
 * The bundles: parts of the client of which one is evaluated at a start (parsing is most of what that
 * costs), the whole client, and the daemon (both loaded when asked for).
 */
import * as esbuild from "esbuild";

const FOLDERS = ["base", "api", "ffi", "cli", "daemon", "tests", "tools"];

/** `#folder/x.ts` -> the folder of the checkout. */
function folderImports(root: string): esbuild.Plugin {
  return {
    name: "folders",
    setup(build) {
      const filter = new RegExp(`^#(${FOLDERS.join("|")})/`);
      build.onResolve({ filter }, ({ path }) => ({ path: `${root}/${path.slice(1)}` }));
    },
  };
}

export interface Bundle {
  readonly code: Uint8Array;
  readonly meta: esbuild.Metafile;
}

async function bundle(root: string, entry: string, options: esbuild.BuildOptions): Promise<Bundle> {
  const result = await esbuild.build({
    stdin: { contents: entry, resolveDir: root, sourcefile: "entry.ts", loader: "ts" },
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    target: "esnext",
    legalComments: "none",
    logLevel: "error",
    absWorkingDir: root,
    nodePaths: [`${root}/node_modules`],
    ...options,
    plugins: [folderImports(root), ...options.plugins ?? []],
  });
  const [file] = result.outputFiles ?? [];
  if (file === undefined) throw new Error("esbuild made nothing");
  return { code: file.contents, meta: result.metafile as esbuild.Metafile };
}

/** Parts of the client of which one is evaluated at a start. */
export const STARTS = { exec: "#cli/common_exec.ts", common: "#cli/common.ts" } as const;

/** What the program runs first: a part of the client, or the daemon. */
const startEntry = (part: keyof typeof STARTS) => `
import { routeCall } from "#base/program.ts";
import { main } from "${STARTS[part]}";
const program = globalThis.__lxd;
const run = async () =>
  routeCall(program.argv0, program.args) === "daemon"
    ? await (await program.loadDaemon()).main(program)
    : await main(program);
run().then((status) => {
  if (globalThis.__lxdCache && Deno.env.get("LXD_SAVE_CODE_CACHE")) {
    Deno.writeFileSync(Deno.env.get("LXD_SAVE_CODE_CACHE"), globalThis.__lxdCache());
  }
  Deno.exit(status);
}, (error) => {
  const text = "lxd: " + (error?.stack ?? error) + "\\n";
  Deno.stderr.writeSync(new TextEncoder().encode(text));
  Deno.exit(1);
});
`;

const CLIENT: esbuild.BuildOptions = {
  format: "iife",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["import", "module", "default"],
  external: ["node:*", "ws"],
};

export function bundleStart(root: string, part: keyof typeof STARTS): Promise<Bundle> {
  return bundle(root, startEntry(part), CLIENT);
}

/** A text whose value is the client's part. */
export function bundleWhole(root: string): Promise<Bundle> {
  return bundle(root, `export { main } from "#cli/whole.ts";`, {
    ...CLIENT,
    globalName: "lxdClient",
    footer: { js: "lxdClient;" },
  });
}

/** A function expression that the boot text calls with require, module, exports ... */
export async function bundleDaemon(root: string): Promise<Bundle> {
  const { code, meta } = await bundle(root, `export * from "#daemon/main.ts";`, {
    format: "cjs",
    platform: "node",
    keepNames: true,
    define: { "import.meta.url": '"file:///lxd-daemon.js"' },
    alias: { bufferutil: `${root}/daemon/http/bufferutil.ts` },
    external: ["node:*", "utf-8-validate", "cpu-features", "*.node"],
  });
  const head = new TextEncoder().encode("(function(require,module,exports,__filename,__dirname){");
  const tail = new TextEncoder().encode("\n})");
  const wrapped = new Uint8Array(head.length + code.length + tail.length);
  wrapped.set(head);
  wrapped.set(code, head.length);
  wrapped.set(tail, head.length + code.length);
  return { code: wrapped, meta };
}

export async function stopBundler(): Promise<void> {
  await esbuild.stop();
}
