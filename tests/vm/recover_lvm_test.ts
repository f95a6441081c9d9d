/** Volume groups, recovered. */
import { must } from "#tests/world/run.ts";
import { makeGroup } from "./lvm.ts";
import { isMet } from "./needs.ts";
import { recoverSuite } from "./recover.ts";

if (isMet("lvm")) {
  recoverSuite({
    driver: "lvm",
    what: "a volume group",
    make: makeGroup,
    config: (name) => ({ source: name, "lvm.vg_name": name, "volume.size": "64MiB" }),
    async mountArguments(pool, folder, name) {
      const volume = `${pool}/${folder}_${name}`;
      await must(["lvchange", "--activate", "y", "--ignoreactivationskip", volume]);
      return [`/dev/${volume}`];
    },
  });
}
