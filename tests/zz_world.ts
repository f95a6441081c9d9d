import { startInstanceDaemon } from "#tests/world/instances.ts";
const w = await startInstanceDaemon({ subnet: 21 });
for (let i = 0; i < 100; i++) await w.create(`hcrowd${i}`);
for (let i = 0; i < 10; i++) await w.setState(`hcrowd${i}`, "start");
Deno.writeTextFileSync(
  "/tmp/house-world.dir",
  w.daemon.directory + "\n" + w.daemon.pid + "\n" + w.daemon.folder + "\n",
);
console.log("ready");
await new Promise<void>((r) => Deno.addSignalListener("SIGTERM", r));
await w[Symbol.asyncDispose]();
