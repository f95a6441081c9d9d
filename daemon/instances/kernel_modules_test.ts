import assert from "node:assert/strict";
import { findInstanceKey } from "#api/config/instance_config.ts";
import { loadModules } from "./kernel_modules.ts";

const config = { "linux.kernel_modules": "no_such_module_anywhere" };

Deno.test("loadModules() refuses a module that the kernel can't load, by its name", async () => {
  const modules = await Deno.makeTempFile();

  await assert.rejects(loadModules(config, modules), /module "no_such_module_anywhere"/);

  await Deno.remove(modules);
  await loadModules(config, modules); // A kernel without modules loads none.
});

Deno.test("linux.kernel_modules loads into the kernel of a running instance too", () => {
  assert.equal(findInstanceKey("linux.kernel_modules")?.live, "modules");
});
