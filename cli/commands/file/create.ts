/** file create: an empty file, a folder or a link in an instance. */
import { command, UsageError } from "#cli/command.ts";
import { parentOf, parseGuestPath, parseMode } from "./paths.ts";
import { createFolders } from "./push.ts";
import { postFile } from "./transfer.ts";

export const FILE_CREATE = command({
  name: "file create",
  usage: "[<remote>:]<instance>/<path> [<symlink target path>]",
  summary: "Create files and directories in instances",
  examples: [
    { call: "lxc file create foo/bar", what: "To create a file /bar in the foo instance." },
    {
      call: "lxc file create --type=symlink foo/bar baz",
      what: "To create a symlink /bar in instance foo whose target is baz.",
    },
  ],
  flags: {
    "create-dirs": { kind: "bool", short: "p", summary: "Create any directories necessary" },
    force: { kind: "bool", short: "f", summary: "Force creating files or directories" },
    gid: { kind: "int", default: -1, summary: "Set the file's gid on create" },
    mode: { kind: "string", summary: "Set the file's perms on create" },
    type: {
      kind: "string",
      default: "file",
      summary: "The type to create (file, symlink, or directory)",
    },
    uid: { kind: "int", default: -1, summary: "Set the file's uid on create" },
  },
  args: [1, 2],
  async run(context, [text = "", target], flags) {
    const { type } = flags;
    if (type !== "file" && type !== "directory" && type !== "symlink") {
      throw new UsageError(`Invalid type "${type}"`);
    }
    if ((type === "symlink") !== (target !== undefined)) {
      throw new UsageError("A symlink needs a target path, and only a symlink has one");
    }
    const { label, path } = parseGuestPath(text);
    const guest = context.resource(label);
    if (flags["create-dirs"]) await createFolders(guest, parentOf(path), {});
    await postFile(guest, path.replace(/(.)\/$/, "$1"), {
      type,
      uid: flags.uid < 0 ? undefined : flags.uid,
      gid: flags.gid < 0 ? undefined : flags.gid,
      mode: flags.mode === "" ? undefined : parseMode(flags.mode),
      body: target ?? "",
    });
  },
});
