import assert from "node:assert/strict";
import { parseContainerCli } from "./nvidia.ts";

Deno.test("parseContainerCli() tells the versions with each card, by PCI address", () => {
  const cards = parseContainerCli([
    "NVRM version,CUDA version",
    "450.102.04,11.0",
    "",
    "Device Index,Device Minor,Model,Brand,GPU UUID,Bus Location,Architecture",
    "0,0,GeForce GT 730,GeForce,GPU-6dda,00000000:01:00.0,3.5",
    "1,3,Tesla T4,Tesla,GPU-8000,00000000:3B:00.0,7.5",
    "",
  ].join("\n"));

  assert.deepEqual([...cards.keys()], ["0000:01:00.0", "0000:3b:00.0"]);
  assert.deepEqual(cards.get("0000:3b:00.0"), {
    cuda_version: "11.0",
    nvrm_version: "450.102.04",
    brand: "Tesla",
    model: "Tesla T4",
    uuid: "GPU-8000",
    architecture: "7.5",
    card_name: "nvidia3",
    card_device: "195:3",
  });
});
