import assert from "node:assert/strict";
import { ExecError } from "#base/errors.ts";
import { faultOf, hasClones, parseDatasets } from "./tool.ts";

const LIST = [
  [
    "t/containers/a",
    "filesystem",
    "1024",
    "2048",
    "0",
    "4096",
    "0",
    "none",
    "-",
    "-",
    "t/images/c@r",
    "-",
  ],
  [
    "t/containers/a@snapshot-s",
    "snapshot",
    "512",
    "2048",
    "-",
    "-",
    "-",
    "-",
    "-",
    "-",
    "-",
    "t/x,t/y",
  ],
  ["t/custom/d", "volume", "12", "12", "-", "-", "0", "0", "8388608", "8192", "-", "-"],
].map((line) => line.join("\t")).join("\n") + "\n";

Deno.test("parseDatasets() reads file systems, snapshots and disks", () => {
  const [first, second, third] = parseDatasets(LIST);

  assert.deepEqual(first, {
    name: "t/containers/a",
    type: "filesystem",
    usedBytes: 1024,
    referencedBytes: 2048,
    quotaBytes: 0,
    refquotaBytes: 4096,
    reservationBytes: 0,
    refreservationBytes: 0,
    sizeBytes: 0,
    blockBytes: 0,
    origin: "t/images/c@r",
    clones: [],
  });
  assert.deepEqual(second?.clones, ["t/x", "t/y"]);
  assert.equal(second?.type, "snapshot");
  assert.deepEqual([third?.type, third?.sizeBytes, third?.blockBytes], ["volume", 8388608, 8192]);
  assert.deepEqual(parseDatasets(""), []);
});

Deno.test("faultOf() says in our words why zfs(8) failed", () => {
  const failed = (text: string) => new ExecError(["zfs"], 1, text);

  assert.equal(faultOf(failed("cannot create 't/a': out of space"))?.kind, "no_space");
  assert.equal(faultOf(failed("cannot open 't/a': dataset does not exist"))?.kind, "not_found");
  assert.equal(
    faultOf(failed("cannot set property for 't': size is less than current used or reserved space"))
      ?.kind,
    "bad_request",
  );
  assert.equal(faultOf(failed("internal error")), undefined);
  assert.ok(hasClones(failed("cannot destroy 't/a@s': snapshot has dependent clones")));
});
