/**
 * tools/test vm [WORD...]: run the tests of tests/vm in a throw-away VM whose kernel has what they
 * need. The last line counts the tests.
 */
import { countResults, failureText } from "#tools/testing/count.ts";
import { runInUml } from "./uml.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const LIMIT_SECONDS = 570;

export async function runVmTests(words: readonly string[]): Promise<number> {
  const names = [...Deno.readDirSync(`${root}/tests/vm`)].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.ts"));
  const wanted = names.filter((name) =>
    words.length === 0 || words.some((word) => name.includes(word))
  ).toSorted();
  if (wanted.length === 0) {
    console.error(`tools/test vm: no test file's name contains ${words.join(" or ")}`);
    return 2;
  }
  const limit = Number(Deno.env.get("VM_LIMIT_SECONDS") ?? LIMIT_SECONDS);
  const { code, stdout, stderr, seconds } = await runInUml({
    // Types were checked outside.
    argv: [
      // Limits of disks don't count for who may exceed them.
      ...["setpriv", "--inh-caps=-sys_resource", "--bounding-set=-sys_resource"],
      ...["deno", "test", "-A", "--no-check", "--no-prompt"],
      ...wanted.map((name) => `tests/vm/${name}`),
    ],
    directory: root,
    environment: {
      PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      DENO_DIR: "/tmp/deno",
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      CI_REQUIRE_ALL: "1",
    },
    limitSeconds: limit,
  });
  const output = `${stdout}${stderr}`;
  const { passed, failed, ignored } = countResults("deno test", output, code === 0);
  if (failed > 0) console.log(failureText("deno test", output));
  console.log(`User-Mode-Linux: ${wanted.join(" ")}, ${ignored} ignored, ${seconds.toFixed(0)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}
