/** Zpools, recovered. */
import { must, run } from "#tests/world/run.ts";
import { isMet } from "./needs.ts";
import { recoverSuite } from "./recover.ts";
import { makeZpool } from "./zfs.ts";

const PACKAGE = "zfsutils-linux";
const IN_VM = "/run/vm";

/** LXD asks dpkg for the version of the tools, which in the VM are unpacked and not installed. */
async function declareTools(): Promise<void> {
  await Deno.stat(IN_VM);
  const asked = await run(["dpkg-query", "--showformat=${Version}", "--show", PACKAGE]);
  if (asked.stdout !== "") return;
  const version = (await Deno.readTextFile("/sys/module/zfs/version")).trim();
  const stanza = [
    `Package: ${PACKAGE}`,
    "Status: install ok installed",
    "Maintainer: nobody",
    "Architecture: amd64",
    `Version: ${version}`,
    "Description: unpacked",
  ];
  await Deno.writeTextFile("/var/lib/dpkg/status", `\n${stanza.join("\n")}\n`, { append: true });
  await must(["dpkg-query", "--show", PACKAGE]);
}

if (isMet("zfs")) {
  await declareTools();
  recoverSuite({
    driver: "zfs",
    what: "a zpool",
    make: makeZpool,
    config: (name) => ({ source: name, "zfs.pool_name": name }),
    mountArguments: (pool, folder, name) =>
      Promise.resolve(["-t", "zfs", `${pool}/${folder}/${name}`]),
  });
}
