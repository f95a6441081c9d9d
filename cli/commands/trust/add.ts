/** config trust add: trust a certificate, or make a token for a client that has none here. */
import type { Client } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import { fromPem } from "#base/x509.ts";
import type { Context } from "#cli/context.ts";
import { readLine } from "#cli/stdin.ts";
import { tokenText } from "#cli/commands/remote/address.ts";

export interface TrustFlags {
  readonly name: string;
  readonly projects: string;
  readonly restricted: boolean;
  readonly type: string;
}

/** @throws {Error} for an unknown type, or if the file can't be read or is no certificate. */
export async function addTrust(
  context: Context,
  args: readonly string[],
  flags: TrustFlags,
): Promise<void> {
  const { remote, file } = splitArguments(context, args);
  const { client } = context.resource(`${remote}:`);
  if (!["client", "metrics"].includes(flags.type)) {
    throw new Error(`Unknown certificate type "${flags.type}"`);
  }
  const grant = {
    type: flags.type,
    restricted: flags.restricted,
    projects: flags.projects === "" ? [] : flags.projects.split(","),
  };
  if (file === undefined) return await addToken(context, client, { ...grant, name: flags.name });
  const certificate = base64(fromPem(Deno.readTextFileSync(file)));
  const name = flags.name || (file.split("/").at(-1) ?? file);
  await client.send("POST", "/1.0/certificates", { json: { ...grant, name, certificate } });
}

/**
 * `[<remote>:] [<cert>]`. The guide writes the remote without its colon (`trust add r1 cert.crt`):
 * the name of a known remote before a file is taken for one.
 */
function splitArguments(
  context: Context,
  args: readonly string[],
): { remote: string; file: string | undefined } {
  const [first, second] = args;
  const { defaultRemote, remotes } = context.config;
  if (first === undefined) return { remote: defaultRemote, file: undefined };
  const isRemote = first.endsWith(":") || (second !== undefined && remotes.has(first));
  if (isRemote) return { remote: context.split(first.replace(/:?$/, ":")).remote, file: second };
  if (second !== undefined) throw new Error(`The remote "${first}" doesn't exist`);
  return { remote: defaultRemote, file: first };
}

interface TokenRequest {
  readonly name: string;
  readonly type: string;
  readonly restricted: boolean;
  readonly projects: readonly string[];
}

async function addToken(context: Context, client: Client, wish: TokenRequest): Promise<void> {
  let { name } = wish;
  if (name === "") {
    context.out.ask("Please provide client name: ");
    name = readLine()?.trim() ?? "";
    if (name === "") throw new Error("Please provide client name: the name must not be empty");
  }
  const { metadata: operation } = await client.send<OperationObject>("POST", "/1.0/certificates", {
    json: { ...wish, name, token: true },
  });
  const token = tokenText(operation);
  if (token === undefined) throw new Error("cannot make a token: the server did not answer one");
  context.out.say(`Client ${name} certificate add token:`);
  context.out.line(token.text);
}

function base64(bytes: Uint8Array): string {
  return (bytes as Uint8Array & { toBase64(): string }).toBase64();
}
