/** show, get, set, unset, edit: the same for everything that has a name and configuration keys. */
import type { Client } from "#api/client.ts";
import { type Command, command, type FlagSpecs, TARGET_FLAG } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { editObject } from "#cli/edit.ts";
import { parseKeyValues, setKeys, update } from "#cli/keys.ts";
import { shape } from "#cli/output/shape.ts";
import { toYaml } from "#cli/output/yaml.ts";

/** Where an object is. */
export interface Place {
  readonly client: Client;
  readonly url: string;
}

export interface ConfigNoun {
  /** The words before the verb: "storage volume". */
  readonly words: string;
  /** In sentences: "storage volume", "storage volumes". */
  readonly one: string;
  readonly many: string;
  /** What names it on the command line, e.g. "[<remote>:]<pool> <volume>". */
  readonly usage: string;
  /** How many arguments name it. */
  readonly names: number;
  readonly shape: Parameters<typeof shape>[0];
  /** Printed above the text in `edit`, each line behind "### ". */
  readonly help: string;
  place(context: Context, names: readonly string[], target: string): Place;
  /** `get` of a key that is not set prints an empty line. */
  readonly printsMissing?: boolean;
  /** What of a thing may be edited; all of it unless it says otherwise. */
  readonly editable?: (thing: Record<string, unknown>) => unknown;
  readonly hasNoTarget?: boolean;
}

type Verb = "show" | "get" | "set" | "unset" | "edit";

/** The commands `<words> show`, `get`, `set`, `unset` and `edit`. */
export function configVerbs(noun: ConfigNoun): Command[] {
  const { words, one, many, usage, names } = noun;
  const flags: FlagSpecs = noun.hasNoTarget ? {} : TARGET_FLAG;
  const verb = (
    name: Verb,
    spec: { summary: string; after?: string; extra: [number, number] },
    run: (context: Context, place: Place, rest: readonly string[]) => Promise<void>,
  ) =>
    command({
      name: `${words} ${name}`,
      usage: `${usage}${spec.after ?? ""}`,
      summary: spec.summary,
      flags,
      args: [names + spec.extra[0], names + spec.extra[1]],
      run: (context, args, given) => {
        const target = String((given as { target?: string }).target ?? "");
        const place = noun.place(context, args.slice(0, names), target);
        return run(context, place, args.slice(names));
      },
    });
  return [
    verb(
      "show",
      { summary: `Show ${one} configurations`, extra: [0, 0] },
      async (context, { client, url }) => {
        context.out.text(toYaml(await client.get(url), shape(noun.shape)));
      },
    ),
    verb(
      "get",
      { summary: `Get values for ${one} configuration keys`, after: " <key>", extra: [1, 1] },
      async (context, { client, url }, [key = ""]) => {
        const { config } = await client.get<{ config?: Record<string, unknown> }>(url);
        const value = config?.[key];
        if (value !== undefined) context.out.line(String(value));
        else if (noun.printsMissing) context.out.line("");
      },
    ),
    verb(
      "set",
      {
        summary: `Set ${one} configuration keys`,
        after: " <key>=<value>...",
        extra: [1, Infinity],
      },
      (_context, { client, url }, pairs) => setKeys(client, url, parseKeyValues(pairs)),
    ),
    verb(
      "unset",
      { summary: `Unset ${one} configuration keys`, after: " <key>", extra: [1, 1] },
      (_context, { client, url }, [key = ""]) => setKeys(client, url, { [key]: "" }),
    ),
    verb(
      "edit",
      { summary: `Edit ${many} as YAML`, extra: [0, 0] },
      (context, place) => editThing(context, place, noun),
    ),
  ];
}

/** Edit a thing as YAML; it must not change meanwhile. */
export async function editThing(
  context: Context,
  { client, url }: Place,
  noun: Pick<ConfigNoun, "one" | "shape" | "help" | "editable">,
): Promise<void> {
  await editObject(context, {
    client,
    url,
    help: helpText(noun.one, noun.help),
    show: (thing) => toYaml(noun.editable?.(thing) ?? thing, shape(noun.shape)),
  });
}

function helpText(one: string, help: string): string {
  const lines = [
    `This is a YAML representation of the ${one}.`,
    "Any line starting with a '#' will be ignored.",
    "",
    ...help.split("\n"),
  ];
  return lines.map((line) => `### ${line}`.trimEnd()).join("\n");
}

export interface Devices {
  devices?: Record<string, Record<string, string>>;
}

/** Add a device to an instance or profile. @throws if it has one of that name. */
export async function addDevice(
  { client, url }: Place,
  name: string,
  device: Readonly<Record<string, string>>,
): Promise<void> {
  await update(client, url, (thing: Devices) => {
    if (thing.devices?.[name] !== undefined) throw new Error("The device already exists");
    return { ...thing, devices: { ...thing.devices, [name]: device } };
  });
}

/** Remove the device of that name, or the only one that fits. */
export async function removeDevice(
  { client, url }: Place,
  options: {
    readonly name: string | undefined;
    readonly fits: (device: Readonly<Record<string, string>>) => boolean;
    /** In messages: "network". */
    readonly what: string;
  },
): Promise<void> {
  await update(client, url, (thing: Devices) => {
    const devices = { ...thing.devices };
    let { name } = options;
    if (name === undefined) {
      const found = Object.keys(devices).filter((one) => options.fits(devices[one] ?? {}));
      if (found.length > 1) {
        throw new Error("More than one device matches, specify the device name");
      }
      name = found[0];
      if (name === undefined) throw new Error(`No device found for this ${options.what}`);
    }
    const device = devices[name];
    if (device === undefined) throw new Error("The specified device doesn't exist");
    if (!options.fits(device)) {
      throw new Error(`The specified device doesn't match the ${options.what}`);
    }
    delete devices[name];
    return { ...thing, devices };
  });
}
