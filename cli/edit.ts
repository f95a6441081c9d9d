/** YAML that people edit: in their editor, or from stdin. */
import type { Client } from "#api/client.ts";
import { parseYaml } from "#api/yaml.ts";
import { coerce } from "./coerce.ts";
import type { Context } from "./context.ts";
import { readLine, readStdin } from "./stdin.ts";

export interface EditOptions {
  /** Shown above the text; every line starts with "#". */
  readonly help: string;
  readonly text: () => Promise<string>;
  /** Send the edited value; a failure opens the editor again with the user's text. */
  readonly apply: (value: unknown, text: string) => Promise<unknown>;
}

/** Edit YAML and apply it. Text from a pipe is applied as it is. */
export async function editYaml(context: Context, options: EditOptions): Promise<void> {
  if (!Deno.stdin.isTerminal()) {
    const text = readStdin();
    await options.apply(parseEdited(text), text);
    return;
  }
  let text = `${options.help}\n\n${await options.text()}`;
  for (;;) {
    text = editText(text);
    try {
      await options.apply(parseEdited(text), text);
      return;
    } catch (error) {
      const reason = `Config parsing error: ${error instanceof Error ? error.message : error}`;
      context.out.error(reason);
      context.out.ask("Press enter to open the editor again or ctrl+c to abort change\n");
      if (readLine() === undefined) throw error;
      text = withError(text, reason);
    }
  }
}

export interface EditObjectOptions<Thing> {
  readonly client: Client;
  readonly url: string;
  readonly help: string;
  readonly show: (thing: Thing) => string;
  /** What is sent of the edited value; by default all of it. */
  readonly body?: (value: unknown) => unknown;
}

/** GET an object, let it be edited, PUT it back, refusing if it changed meanwhile. */
export async function editObject<Thing = Record<string, unknown>>(
  context: Context,
  { client, url, help, show, body = (value) => value }: EditObjectOptions<Thing>,
): Promise<void> {
  let etag: string | undefined;
  await editYaml(context, {
    help,
    text: async () => {
      const reply = await client.send<Thing>("GET", url);
      etag = reply.etag;
      return show(reply.metadata);
    },
    apply: (value) => client.operate("PUT", url, { json: body(value), etag }),
  });
}

/** An empty document is an object without fields, as for LXD's client. Pure. */
export function parseEdited(text: string): unknown {
  return coerce(parseYaml(text)) ?? {};
}

const ERROR_MARK = "##! ";

/** The text below what is wrong with it, in place of what was wrong before. Pure. */
export function withError(text: string, reason: string): string {
  const rest = text.split("\n").filter((line) => !line.startsWith(ERROR_MARK));
  return [...reason.split("\n").map((line) => ERROR_MARK + line), ...rest].join("\n");
}

/** Let the user change a text. @throws if no editor is found or it fails. */
export function editText(text: string, suffix = ".yaml"): string {
  const file = Deno.makeTempFileSync({ prefix: "lxd_editor_", suffix });
  try {
    Deno.writeTextFileSync(file, text);
    const editors = [Deno.env.get("VISUAL"), Deno.env.get("EDITOR")].filter((one) => one);
    const command = editors[0] ?? "editor vi vim nano emacs".split(" ").find(isProgram);
    if (command === undefined) {
      throw new Error("No text editor found, please set the EDITOR environment variable");
    }
    const status = new Deno.Command("sh", {
      args: ["-c", `exec ${command} "$1"`, "sh", file],
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).outputSync();
    if (!status.success) throw new Error(`the editor failed with exit code ${status.code}`);
    return Deno.readTextFileSync(file);
  } finally {
    Deno.removeSync(file);
  }
}

function isProgram(name: string): boolean {
  return (Deno.env.get("PATH") ?? "/usr/bin:/bin").split(":").some((directory) => {
    try {
      return Deno.statSync(`${directory}/${name}`).isFile;
    } catch {
      return false; // Ignored: not there.
    }
  });
}
