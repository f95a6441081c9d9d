/** The guide's volume group. */
import { guideSuite } from "./guide.ts";
import { logicalVolumes, makeGroup } from "./lvm.ts";
import { isMet } from "./needs.ts";

if (isMet("lvm")) {
  guideSuite({
    driver: "lvm",
    key: "storage.lvm_vg_name",
    what: "a volume group",
    poolKey: "lvm.vg_name",
    make: makeGroup,
    names: logicalVolumes,
    container: "containers_c1",
    snapshot: "containers_c1-s",
    volume: "custom_default_data",
  });
}
