/** lxd fuidshift: move the owners of a tree of files between the host's ids and a container's. */
import { type Command, command, WrongCount } from "#cli/command.ts";

export const FUIDSHIFT_COMMANDS: readonly Command[] = [
  command({
    name: "fuidshift",
    only: "lxd",
    usage: "<directory> <range> [<range>...]",
    summary: "Shift the user and group ids of a tree of files",
    description:
      "For trees with the wrong owners, from a backup or of a broken system: from ids\n" +
      "that count from 0 to those that a container has on the host, or back.\n\n" +
      "A range is <u|g|b>:<first id inside>:<first id on the host>:<count>, for user ids,\n" +
      "group ids or both. The first that fits counts; ids in no range stay as they are.\n" +
      "ACLs, file capabilities, setuid and setgid bits go along; links are not followed, and\n" +
      "what is mounted below the directory is left alone, with a word about it.\n\n" +
      "Run it again after an interruption only if no id is both inside and on the host, as\n" +
      "with 0-65535 and 100000-165535: what was shifted already is known by its ids.\n" +
      "The program does the same when it is called by the name fuidshift.",
    examples: [
      {
        call: "lxd fuidshift rootfs/ b:0:100000:65536 u:70000:1000:1",
        what: "Give a tree to an unprivileged container.",
      },
      {
        call: "lxd fuidshift --test --reverse rootfs/ b:0:100000:65536",
        what: "Show what taking it back would do.",
      },
    ],
    flags: {
      reverse: { kind: "bool", short: "r", summary: "Perform a reverse mapping" },
      test: { kind: "bool", short: "t", summary: "Test mode (no change to files)" },
    },
    args: [1, Infinity],
    async run({ program }, [directory = "", ...ranges], { reverse, test }) {
      if (ranges.length === 0) throw new WrongCount("Missing required arguments");
      const part = await program.loadDaemon();
      return await part.shiftIds(program, {
        directory,
        ranges,
        isReverse: reverse,
        isTest: test,
      });
    },
  }),
];
