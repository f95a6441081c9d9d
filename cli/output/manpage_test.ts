import { COMMANDS } from "#cli/registry.ts";
import assert from "node:assert/strict";
import { commandPages } from "./manpage.ts";

Deno.test("commandPages() has a page for each command, which man can show without a complaint", () => {
  const pages = commandPages(COMMANDS, "lxc", "man");
  const copy = pages.find(({ file }) => file === "lxc.image.copy.1");

  assert.match(copy?.text ?? "", /^\.SH NAME\nlxc\\-image\\-copy \\- Copy images/m);
  assert.match(copy?.text ?? "", /^\\fB\\-\\-mode\\fR\n/m);
  for (const { file, text } of pages) {
    const requests = text.split("\n").filter((line) => line.startsWith("."));
    assert.ok(requests.every((line) => /^\.(TH|SH|TP|PP)\b/.test(line)), file);
  }
});

Deno.test("commandPages() as Markdown is the text of --help", () => {
  const page = commandPages(COMMANDS, "lxd", "md").find(({ file }) => file === "lxd_launch.md");
  assert.match(page?.text ?? "", /^## lxd launch\n\n```\nDescription:\n/);
});
