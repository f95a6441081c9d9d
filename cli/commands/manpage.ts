/** manpage: a page for each command. */
import { type Command, command, UsageError } from "#cli/command.ts";
import { commandPages, PAGE_FORMATS } from "#cli/output/manpage.ts";

/** @param commands All of them: the registry, which this command is part of. */
export function manpageCommands(commands: () => readonly Command[]): readonly Command[] {
  return [command({
    name: "manpage",
    usage: "<target>",
    summary: "Generate manpages for all commands",
    uncommon: true,
    flags: {
      format: { kind: "string", short: "f", default: "man", summary: "Format (man|md)" },
    },
    args: [1, 1],
    run(context, [target = ""], { format: wanted }) {
      const format = PAGE_FORMATS.find((one) => one === wanted);
      if (format === undefined) {
        throw new UsageError(`Invalid format "${wanted}": one of ${PAGE_FORMATS.join(", ")}`);
      }
      Deno.mkdirSync(target, { recursive: true });
      for (const { file, text } of commandPages(commands(), context.programName, format)) {
        Deno.writeTextFileSync(`${target}/${file}`, text);
      }
      return Promise.resolve();
    },
  })];
}
