/** remote: the servers that the client knows. */
import { type Command, command, FORMAT_FLAG, group } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { mapShape } from "#cli/output/shape.ts";
import { naturalOrder } from "#cli/output/sort.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import type { Remote } from "#cli/remotes.ts";
import { addRemote } from "./add.ts";
import { certificatePath, checkName, removeFile } from "./files.ts";

export const REMOTE_COMMANDS: readonly Command[] = [
  group("remote", "Manage the list of remote servers"),
  command({
    name: "remote add",
    usage: "[<remote>] <IP|FQDN|URL|token>",
    summary: "Add new remote servers",
    description: `URL for remote resources must be HTTPS (https://).

Basic authentication can be used when combined with the "simplestreams" protocol:
  lxc remote add some-name https://LOGIN:PASSWORD@example.com/some/path --protocol=simplestreams`,
    flags: {
      "accept-certificate": { kind: "bool", summary: "Accept certificate" },
      "auth-type": { kind: "string", summary: "Server authentication type (tls)" },
      domain: { kind: "string", summary: "Candid domain to use" },
      password: { kind: "string", summary: "Remote admin password" },
      project: { kind: "string", summary: "Project to use for the remote" },
      protocol: { kind: "string", summary: "Server protocol (lxd or simplestreams)" },
      public: { kind: "bool", summary: "Public image server" },
      token: { kind: "string", summary: "Token of the server that trusts this client" },
    },
    args: [1, 2],
    run: (context, [first = "", second], flags) =>
      addRemote(context, { name: first, address: second ?? first }, flags),
  }),
  command({
    name: "remote get-default",
    usage: "",
    summary: "Show the default remote",
    args: [0, 0],
    run: (context) => Promise.resolve(context.out.line(context.config.defaultRemote)),
  }),
  command({
    name: "remote list",
    usage: "",
    summary: "List the available remotes",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 0],
    run: (context, _args, { format }) => Promise.resolve(list(context, format)),
  }),
  command({
    name: "remote remove",
    usage: "<remote>",
    summary: "Remove remotes",
    aliases: ["rm"],
    args: [1, 1],
    run(context, [given = ""]) {
      const name = given.replace(/:$/, "");
      changeable(context, name);
      if (context.config.defaultRemote === name) throw new Error("Can't remove the default remote");
      context.config.remotes.delete(name);
      removeFile(certificatePath(context, name));
      return Promise.resolve(context.saveConfig());
    },
  }),
  command({
    name: "remote rename",
    usage: "<remote> <new-name>",
    summary: "Rename remotes",
    aliases: ["mv"],
    args: [2, 2],
    run(context, [old = "", name = ""]) {
      const { config } = context;
      const remote = changeable(context, old);
      if (config.remotes.has(name)) throw new Error(`Remote ${name} already exists`);
      checkName(name);
      try {
        Deno.renameSync(certificatePath(context, old), certificatePath(context, name));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      config.remotes.delete(old);
      config.remotes.set(name, remote);
      if (config.defaultRemote === old) config.defaultRemote = name;
      return Promise.resolve(context.saveConfig());
    },
  }),
  command({
    name: "remote set-url",
    usage: "<remote> <URL>",
    summary: "Set the URL for the remote",
    args: [2, 2],
    run(context, [name = "", addr = ""]) {
      context.config.remotes.set(name, { ...changeable(context, name), addr });
      return Promise.resolve(context.saveConfig());
    },
  }),
  command({
    name: "remote switch",
    usage: "<remote>",
    summary: "Switch the default remote",
    aliases: ["set-default"],
    args: [1, 1],
    run(context, [given = ""]) {
      const name = given.replace(/:$/, "");
      known(context, name);
      context.config.defaultRemote = name;
      return Promise.resolve(context.saveConfig());
    },
  }),
];

function known(context: Context, name: string): Remote {
  const remote = context.config.remotes.get(name);
  if (remote === undefined) throw new Error(`Remote ${name} doesn't exist`);
  return remote;
}

function changeable(context: Context, name: string): Remote {
  const remote = known(context, name);
  if (remote.static) throw new Error(`Remote ${name} is static and cannot be modified`);
  if (remote.global) throw new Error(`Remote ${name} is global and cannot be removed`);
  return remote;
}

const yesNo = (value: boolean | undefined) => value ? "YES" : "NO";

function list(context: Context, format: string): void {
  const { config } = context;
  const remotes = [...config.remotes].toSorted(([a], [b]) => naturalOrder(a, b));
  const rows = remotes.map(([name, remote]) => [
    name === config.defaultRemote ? `${name} (current)` : name,
    remote.addr,
    remote.protocol || "lxd",
    authType(name, remote),
    yesNo(remote.public),
    yesNo(remote.static),
    yesNo(remote.global),
  ]);
  const data = Object.fromEntries(
    remotes.map(([name, one]) => [name, format === "yaml" ? yamlRemote(one) : jsonRemote(one)]),
  );
  context.out.text(render({
    header: ["NAME", "URL", "PROTOCOL", "AUTH TYPE", "PUBLIC", "STATIC", "GLOBAL"],
    rows: sortRows(rows),
    data,
    ...(format === "json" && { shape: mapShape("remote") }),
  }, format));
}

function authType(name: string, remote: Remote): string {
  if (remote.auth_type) return remote.auth_type;
  if (name === "local" || remote.addr.startsWith("unix:")) return "file access";
  return remote.protocol === "simplestreams" ? "none" : "tls";
}

function yamlRemote({ addr, auth_type, domain, project, protocol, public: open }: Remote) {
  const texts = { addr, auth_type, domain, project, protocol };
  return { ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text)), public: open };
}

/** In JSON LXD names the fields differently. */
const jsonRemote = (remote: Remote) => ({
  Addr: remote.addr,
  AuthType: remote.auth_type ?? "",
  Domain: remote.domain ?? "",
  Project: remote.project ?? "",
  Protocol: remote.protocol ?? "",
  Public: remote.public,
  Global: remote.global ?? false,
  Static: remote.static ?? false,
});
