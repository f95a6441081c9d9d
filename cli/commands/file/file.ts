/** file: files of instances. */
import { type Command, command, group } from "#cli/command.ts";
import { editText } from "#cli/edit.ts";
import { parseGuestPath } from "./paths.ts";
import { FILE_CREATE } from "./create.ts";
import { FILE_MOUNT } from "./mount.ts";
import { FILE_PULL } from "./pull.ts";
import { FILE_PUSH } from "./push.ts";
import { deleteFile, getFile, type Guest, postFile } from "./transfer.ts";

export const FILE_COMMANDS: readonly Command[] = [
  group("file", "Manage files in instances"),
  FILE_CREATE,
  command({
    name: "file delete",
    usage: "[<remote>:]<instance>/<path> [[<remote>:]<instance>/<path>...]",
    summary: "Delete files in instances",
    aliases: ["rm"],
    args: [1, Infinity],
    async run(context, args) {
      for (const { label, path } of args.map((text) => parseGuestPath(text))) {
        await deleteFile(context.resource(label), path);
      }
    },
  }),
  command({
    name: "file edit",
    usage: "[<remote>:]<instance>/<path>",
    summary: "Edit files in instances",
    args: [1, 1],
    async run(context, [text = ""]) {
      const { label, path } = parseGuestPath(text);
      const guest = context.resource(label);
      if (!Deno.stdin.isTerminal()) {
        const stream = Deno.stdin.readable;
        return await postFile(guest, path, { type: "file", body: { stream } });
      }
      const body = editText(await textOf(guest, path), path.match(/\.\w+$/)?.[0] ?? "");
      await postFile(guest, path, { type: "file", body });
    },
  }),
  FILE_MOUNT,
  FILE_PULL,
  FILE_PUSH,
];

async function textOf(guest: Guest, path: string): Promise<string> {
  const { type, reply } = await getFile(guest, path);
  if (type === "file") return await reply.text();
  reply.cancel();
  throw new Error(`cannot edit ${path}: it is a ${type}`);
}
