/** A command's page for man(1), or as Markdown. Pure. @see man-pages(7) */
import { type Command, GLOBAL_FLAGS } from "#cli/command.ts";
import { commandHelp, flagName, flagSummary } from "#cli/help.ts";
import { childrenOf, nameOf } from "#cli/registry_rules.ts";

export interface Page {
  /** "lxc.image.copy.1" */
  readonly file: string;
  readonly text: string;
}

export const PAGE_FORMATS = ["man", "md"] as const;
export type PageFormat = (typeof PAGE_FORMATS)[number];

/** A page for each command of the program. */
export function commandPages(
  commands: readonly Command[],
  program: "lxc" | "lxd",
  format: PageFormat,
): Page[] {
  return commands.filter((one) => nameOf(one, program) !== "").map((one) => {
    const words = [program, ...nameOf(one, program).split(" ")];
    const help = commandHelp(commands, one, { program, all: true, deep: false });
    return format === "man"
      ? { file: `${words.join(".")}.1`, text: manPage(commands, one, program) }
      : { file: `${words.join("_")}.md`, text: `## ${words.join(" ")}\n\n\`\`\`\n${help}\`\`\`\n` };
  });
}

function manPage(
  commands: readonly Command[],
  command: Command,
  program: "lxc" | "lxd",
): string {
  const name = nameOf(command, program);
  const call = `${program} ${name}`;
  const page = (words: string) => words.replaceAll(" ", "-");
  const parent = call.slice(0, call.lastIndexOf(" "));
  const children = childrenOf(commands, name, program).map((one) => nameOf(one, program));
  const others = [
    ...parent === program ? [] : [parent],
    ...children.map((one) => `${program} ${one}`),
  ];
  const flags = Object.entries({ ...GLOBAL_FLAGS, ...command.flags });
  return [
    `.TH "${page(call).toUpperCase()}" 1`,
    ".SH NAME",
    `${roff(page(call))} \\- ${roff(command.summary)}`,
    ".SH SYNOPSIS",
    `\\fB${roff(call)}\\fR ${roff(command.usage)}`,
    ".SH DESCRIPTION",
    ...(command.description ?? command.summary).split("\n").map((line) => roff(line) || ".PP"),
    ".SH OPTIONS",
    ...flags.flatMap(([flag, spec]) => [
      ".TP",
      `\\fB${roff(flagName(flag, spec).trim())}\\fR`,
      roff(flagSummary(spec)),
    ]),
    ...(command.examples ?? []).flatMap(({ call, what }, index) => [
      ...(index === 0 ? [".SH EXAMPLES"] : []),
      ...[".TP", roff(call), roff(what)],
    ]),
    ...(others.length === 0
      ? []
      : [".SH SEE ALSO", others.map((one) => `\\fB${roff(page(one))}\\fR(1)`).join(", ")]),
  ].join("\n") + "\n";
}

/** Text as roff shows it: no line is a request, a hyphen can be copied into a shell. */
const roff = (text: string) =>
  text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
