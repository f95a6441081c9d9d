/** config trust: the certificates and tokens by which clients get in over the network. */
import type { OperationObject } from "#api/envelope.ts";
import { type Command, command, FORMAT_FLAG, group, UsageError } from "#cli/command.ts";
import { type Context, path } from "#cli/context.ts";
import { editObject } from "#cli/edit.ts";
import { isUnset, longTime, shortTime } from "#cli/output/time.ts";
import { sortRows } from "#cli/output/sort.ts";
import { shape } from "#cli/output/shape.ts";
import { render } from "#cli/output/table.ts";
import { toYaml } from "#cli/output/yaml.ts";
import { tokenText } from "#cli/commands/remote/address.ts";
import { addTrust } from "./add.ts";

const FINGERPRINT = "[<remote>:]<fingerprint>";

const HELP = `### This is a YAML representation of the certificate.
### Any line starting with a '# will be ignored.
###
### Note that the fingerprint is shown but cannot be changed`;

export interface Certificate {
  readonly name: string;
  readonly type: string;
  readonly restricted: boolean;
  readonly projects: readonly string[] | null;
  readonly certificate: string;
  readonly fingerprint: string;
}

export const TRUST_COMMANDS: readonly Command[] = [
  group("config trust", "Manage trusted clients"),
  command({
    name: "config trust add",
    usage: "[<remote>:] [<cert>]",
    summary: "Add new trusted client",
    description: `The following certificate types are supported:
- client (default)
- metrics

If the certificate is omitted, a token will be generated and returned. A client
providing a valid token will have its client certificate added to the trusted list
and the consumed token will be invalidated. Similar to certificates, tokens can be
restricted to one or more projects.`,
    flags: {
      name: { kind: "string", summary: "Alternative certificate name" },
      projects: { kind: "string", summary: "List of projects to restrict the certificate to" },
      restricted: { kind: "bool", summary: "Restrict the certificate to one or more projects" },
      type: { kind: "string", default: "client", summary: "Type of certificate" },
    },
    args: [0, 2],
    run: addTrust,
  }),
  command({
    name: "config trust edit",
    usage: FINGERPRINT,
    summary: "Edit trust configurations as YAML",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = certificateOf(context, label);
      await editObject(context, { client, url, help: HELP, show: (trust) => toYaml(trust) });
    },
  }),
  command({
    name: "config trust list",
    usage: "[<remote>:]",
    summary: "List trusted clients",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const { client } = context.resource(label);
      const certificates = await client.get<Certificate[]>("/1.0/certificates", {
        query: { recursion: 1 },
      });
      context.out.text(render({
        header: ["TYPE", "NAME", "COMMON NAME", "FINGERPRINT", "ISSUE DATE", "EXPIRY DATE"],
        rows: sortRows(certificates.map(certificateRow)),
        data: certificates,
      }, format));
    },
  }),
  command({
    name: "config trust list-tokens",
    usage: "[<remote>:]",
    summary: "List all active certificate add tokens",
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const tokens = await listTokens(context, label);
      const rows = tokens.map(({ name, token, expires }) => [name, token, expires]);
      const sorted = sortRows(rows);
      const data = (format === "yaml" ? rows : sorted).map(([name, token, expires]) =>
        format === "yaml"
          ? { clientname: name, token, expiresat: expires }
          : { ClientName: name, Token: token, ExpiresAt: expires }
      );
      const header = ["NAME", "TOKEN", "EXPIRES AT"];
      const kind = format === "yaml" ? "tokenYaml" : "token";
      context.out.text(render({ header, rows: sorted, data, shape: shape(kind) }, format));
    },
  }),
  command({
    name: "config trust remove",
    usage: FINGERPRINT,
    summary: "Remove trusted client",
    aliases: ["rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = certificateOf(context, label);
      await client.send("DELETE", url);
    },
  }),
  command({
    name: "config trust revoke-token",
    usage: "[<remote>:] <name>",
    summary: "Revoke certificate add token",
    args: [1, 2],
    async run(context, args) {
      const [remote, name = ""] = args.length === 2 ? args : ["", args[0] ?? ""];
      const label = args.length === 2 ? remote ?? "" : name.includes(":") ? name : "";
      const wanted = args.length === 2 ? name : context.split(name).name || name;
      const found = (await listTokens(context, label)).find((token) => token.name === wanted);
      const { remote: shown, client } = context.resource(label);
      if (found === undefined) {
        throw new Error(`No certificate add token for member ${wanted} on remote: ${shown}`);
      }
      await client.send("DELETE", path("operations", found.id));
      context.out.say(`Certificate add token for ${wanted} deleted`);
    },
  }),
  command({
    name: "config trust show",
    usage: FINGERPRINT,
    summary: "Show trust configurations",
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, url } = certificateOf(context, label);
      context.out.text(toYaml(await client.get(url)));
    },
  }),
];

function certificateOf(context: Context, label: string) {
  const { client, name } = context.resource(label);
  if (name === "") throw new UsageError("Missing certificate fingerprint");
  return { client, url: path("certificates", name) };
}

function certificateRow({ type, name, certificate, fingerprint }: Certificate): string[] {
  const start = fingerprint.slice(0, 12);
  try {
    const { X509Certificate } = process.getBuiltinModule("node:crypto");
    const { subject, validFrom, validTo } = new X509Certificate(certificate);
    const commonName = /(?:^|\n)CN=(.*)/.exec(subject ?? "")?.[1] ?? "";
    return [type, name, commonName, start, longTime(validFrom), longTime(validTo)];
  } catch {
    return [type, name, "", start, "", ""]; // Ignored: shown as far as it can be read.
  }
}

interface ListedToken {
  readonly id: string;
  readonly name: string;
  readonly token: string;
  readonly expires: string;
}

async function listTokens(context: Context, label: string): Promise<ListedToken[]> {
  const { client } = context.resource(label);
  const { running = [] } = await client.get<Record<string, OperationObject[]>>("/1.0/operations", {
    query: { recursion: 1 },
  });
  return running.flatMap((operation) => {
    const token = tokenText(operation);
    if (token === undefined) return [];
    const expires = isUnset(token.expiresAt) ? "" : shortTime(token.expiresAt);
    return [{ id: operation.id, name: token.name, token: token.text, expires }];
  });
}
