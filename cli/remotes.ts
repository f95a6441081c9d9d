/** The client's own files: remotes, aliases and certificates, compatible with LXD's config.yml. */
import { toYaml } from "./output/yaml.ts";

export interface Remote {
  readonly addr: string;
  readonly auth_type?: string;
  readonly domain?: string;
  readonly project?: string;
  readonly protocol?: string;
  readonly public: boolean;
  /** Built in: neither saved nor changeable. */
  readonly static?: boolean;
  /** From the machine-wide file. */
  readonly global?: boolean;
}

export interface ClientConfig {
  readonly directory: string;
  defaultRemote: string;
  readonly remotes: Map<string, Remote>;
  readonly aliases: Map<string, string>;
}

/** Is it a daemon on this machine? */
export const isUnix = (remote: Remote): boolean => remote.addr.startsWith("unix:");

type Env = (name: string) => string | undefined;

const simplestreams = (addr: string) => ({ addr, protocol: "simplestreams", public: true });

const BUILT_IN: readonly (readonly [string, Remote])[] = [
  ["local", { addr: "unix://", public: false, static: true }],
  ["ubuntu", { ...simplestreams("https://cloud-images.ubuntu.com/releases"), static: true }],
  ["ubuntu-daily", { ...simplestreams("https://cloud-images.ubuntu.com/daily"), static: true }],
];
const DEFAULTS: readonly (readonly [string, Remote])[] = [
  ["images", simplestreams("https://images.linuxcontainers.org")],
];

/** LXD_CONF, or lxc/ in the user's configuration directory. */
function configDirectory(env: Env): string {
  return env("LXD_CONF") || `${env("XDG_CONFIG_HOME") || `${env("HOME") ?? "/root"}/.config`}/lxc`;
}

/** A YAML text as maps, lists and texts. */
export type ReadYaml = (text: string) => unknown;

/** Read the files; without any, the remotes that are built in. */
export function loadConfig(env: Env, readYaml: ReadYaml): ClientConfig {
  const directory = configDirectory(env);
  const own = readConfig(`${directory}/config.yml`, readYaml);
  const shared = readConfig(`${env("LXD_GLOBAL_CONF") || "/etc/lxc"}/config.yml`, readYaml);
  const remotes = new Map<string, Remote>();
  for (const [name, remote] of shared?.remotes ?? []) {
    remotes.set(name, { ...remote, global: true });
  }
  for (const [name, remote] of own?.remotes ?? DEFAULTS) remotes.set(name, remote);
  for (const [name, remote] of BUILT_IN) {
    const project = remotes.get(name)?.project;
    remotes.set(name, project === undefined ? remote : { ...remote, project });
  }
  const fallback = own?.defaultRemote || shared?.defaultRemote || "local";
  return {
    directory,
    defaultRemote: env("LXC_REMOTE") || fallback,
    remotes,
    aliases: new Map([...shared?.aliases ?? [], ...own?.aliases ?? []]),
  };
}

interface ConfigFile {
  readonly defaultRemote: string;
  readonly remotes: Map<string, Remote>;
  readonly aliases: Map<string, string>;
}

function readConfig(path: string, readYaml: ReadYaml): ConfigFile | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  const value = readYaml(text) ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw new Error(`${path} is not a map`);
  const file = value as Record<string, unknown>;
  const remotes = new Map<string, Remote>();
  for (const [name, entry] of Object.entries(file.remotes ?? {})) {
    const fields = entry as Record<string, string>;
    remotes.set(name, { ...fields, addr: fields.addr ?? "", public: fields.public === "true" });
  }
  return {
    defaultRemote: typeof file["default-remote"] === "string" ? file["default-remote"] : "",
    remotes,
    aliases: new Map(Object.entries(file.aliases ?? {})),
  };
}

/** The text of config.yml. */
function formatConfig(config: ClientConfig): string {
  const remotes = [...config.remotes].filter(([, remote]) => !remote.global)
    .filter(([name, remote]) => !remote.static || name === "local" || remote.project)
    .sort(([a], [b]) => a < b ? -1 : 1);
  const plain = remotes.map(([name, { static: _, global: __, ...remote }]) => {
    const { addr, auth_type, domain, project, protocol } = remote;
    const fields = { addr, auth_type, domain, project, protocol, public: remote.public };
    return [
      name,
      Object.fromEntries(
        Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""),
      ),
    ];
  });
  const aliases = Object.fromEntries(config.aliases);
  return `default-remote: ${config.defaultRemote}\n` +
    `${toYaml({ remotes: Object.fromEntries(plain) })}${toYaml({ aliases })}`;
}

/** Write config.yml, whole or not at all. */
export function saveConfig(config: ClientConfig): void {
  Deno.mkdirSync(config.directory, { recursive: true, mode: 0o750 });
  const path = `${config.directory}/config.yml`;
  Deno.writeTextFileSync(`${path}.new`, formatConfig(config), { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}

/** Can no word of the call mean another machine? */
export function isLocalCall(args: readonly string[], config: ClientConfig): boolean {
  const isOther = (name: string) => {
    const remote = config.remotes.get(name);
    return remote !== undefined && !isUnix(remote);
  };
  return !isOther(config.defaultRemote) &&
    !args.some((word) => word.includes(":") && isOther(word.slice(0, word.indexOf(":"))));
}

/** Split `remote:name`. Without a colon it is a name on the default remote. */
export function splitName(text: string, config: ClientConfig): { remote: string; name: string } {
  const colon = text.indexOf(":");
  if (colon < 0) return { remote: config.defaultRemote, name: text };
  return { remote: text.slice(0, colon) || config.defaultRemote, name: text.slice(colon + 1) };
}
