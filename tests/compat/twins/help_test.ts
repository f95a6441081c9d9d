/** Every command of Debian's lxc is one of ours, with its flags, short flags, defaults and other names. */
import { COMMANDS } from "#cli/registry.ts";
import { type FlagSpec, GLOBAL_FLAGS } from "#cli/command.ts";
import { childrenOf, nameOf } from "#cli/registry_rules.ts";
import { DEBIAN } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isInstalled } from "../installed.ts";

const hasClient = await isInstalled(DEBIAN.lxc, "lxd-client");
const PARALLEL = 4;

interface Help {
  readonly children: readonly string[];
  readonly aliases: readonly string[];
  /** "-f, --format (default "table")" */
  readonly flags: readonly string[];
}

/** What a help text of LXD's client lists. */
function parseHelp(text: string): Help {
  const section = (title: string) =>
    new RegExp(`^${title}:\\n((?: .*\\n|\\n(?= ))*)`, "m").exec(text)?.[1] ?? "";
  const words = [...section("Available Commands").matchAll(/^ {2}(\S+)/gm)];
  const flags = section("Flags").matchAll(/^ +(?:-(\w), )?--([\w-]+)(?:.*?\(default (.*)\))?/gm);
  return {
    children: words.map(([, word = ""]) => word),
    aliases: section("Aliases").trim().split(", ").slice(1),
    flags: [...flags].map(([, short, name = "", value]) => flagText({ short, name, value })),
  };
}

const flagText = ({ short, name, value }: {
  readonly short: string | undefined;
  readonly name: string;
  readonly value: string | undefined;
}) => `${short === undefined ? "" : `-${short}, `}--${name}${value ? ` (default ${value})` : ""}`;

/** What ours has for the same words. */
function ownHelp(name: string): Help | undefined {
  const command = COMMANDS.find((one) => one.only !== "lxd" && nameOf(one, "lxc") === name);
  if (command === undefined) return undefined;
  const flags = Object.entries<FlagSpec>({ ...GLOBAL_FLAGS, ...command.flags });
  return {
    children: childrenOf(COMMANDS, name, "lxc").map((one) =>
      nameOf(one, "lxc").split(" ").at(-1) ?? ""
    ),
    aliases: command.aliases ?? [],
    flags: flags.map(([flag, spec]) =>
      flagText({
        name: flag,
        short: "short" in spec ? spec.short : undefined,
        value: defaultOf(spec),
      })
    ),
  };
}

/** As the help shows it: the summary may say it, too. */
function defaultOf({ summary, default: value }: FlagSpec): string | undefined {
  const said = /\(default (.*)\)/.exec(summary)?.[1];
  if (said !== undefined || value === undefined || value === 0 || value === "") return said;
  return typeof value === "string" ? `"${value}"` : String(value);
}

const lacking = (theirs: readonly string[], ours: readonly string[]) =>
  theirs.filter((one) => !ours.includes(one));

Deno.test({
  name: "help: our client lacks no command, flag or other name of Debian's",
  ignore: !hasClient,
  async fn() {
    const folder = await Deno.makeTempDir();
    const env = { LXD_CONF: folder };
    const problems: string[] = [];
    let known = 0;
    const waiting: string[] = [];
    const look = async (name: string) => {
      const words = name === "" ? ["--all"] : name.split(" ");
      const theirs = parseHelp(await must([DEBIAN.lxc, ...words, "--help"], { env }));
      known++;
      waiting.push(...theirs.children.map((word) => `${name} ${word}`.trim()));
      if (name === "" || name === "help") return;
      const ours = ownHelp(name);
      if (ours === undefined) return void problems.push(`there is no "${name}"`);
      for (const what of ["aliases", "flags"] as const) {
        const lack = lacking(theirs[what], ours[what]);
        if (lack.length > 0) problems.push(`${name}: no ${what} ${lack.join(", ")}`);
      }
    };

    for (let next = [""]; next.length > 0; next = waiting.splice(0, PARALLEL)) {
      await Promise.all(next.map(look));
    }
    await Deno.remove(folder, { recursive: true });

    assert.ok(known > 200, `${known} commands`);
    assert.deepEqual(problems.toSorted(), []);
  },
});
