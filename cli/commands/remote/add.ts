/** remote add: trust a server's certificate, and be trusted by it. */
import type { Client } from "#api/client.ts";
import { peerCertificate, tlsDialer } from "#api/transport_tls.ts";
import { fingerprintOf, selfSigned, toPem } from "#base/x509.ts";
import type { Context } from "#cli/context.ts";
import type { Remote } from "#cli/remotes.ts";
import { readLine, readPassword } from "#cli/stdin.ts";
import { parseToken, remoteUrl, type Token } from "./address.ts";
import { certificatePath, checkName, removeFile } from "./files.ts";

export interface AddFlags {
  readonly "accept-certificate": boolean;
  readonly "auth-type": string;
  readonly domain: string;
  readonly password: string;
  readonly project: string;
  readonly protocol: string;
  readonly public: boolean;
  readonly token: string;
}

interface Added {
  readonly name: string;
  readonly address: string;
}

/** Add a remote; nothing stays behind if it fails. */
export async function addRemote(context: Context, added: Added, flags: AddFlags): Promise<void> {
  const { config } = context;
  const { name, address } = added;
  checkName(name);
  const existing = config.remotes.get(name);
  if (existing !== undefined) throw new Error(`Remote ${name} exists as <${existing.addr}>`);
  if (!["", "lxd", "simplestreams"].includes(flags.protocol)) {
    throw new Error(`Invalid protocol: ${flags.protocol}`);
  }
  if (flags.domain !== "") {
    throw new Error("authentication by candid is not supported: use --auth-type tls");
  }
  if (flags.protocol === "simplestreams") {
    const addr = remoteUrl(address, "simplestreams");
    config.remotes.set(name, { addr, protocol: "simplestreams", public: true });
    return context.saveConfig();
  }
  const token = parseToken(flags.token || address);
  if (flags.token !== "" && token === undefined) throw new Error("Invalid token");
  const isToken = token !== undefined && flags.token === "";
  if (isToken) await addByToken(context, { name, address }, { ...flags, token });
  else await tryAddress(context, added, { ...flags, token });
  context.saveConfig();
}

type Wish = Omit<AddFlags, "token"> & { readonly token: Token | undefined };

/** The addresses of the token, until one is the right server. */
async function addByToken(context: Context, added: Added, wish: Wish): Promise<void> {
  const failures: string[] = [];
  for (const address of wish.token?.addresses ?? []) {
    try {
      return await tryAddress(context, { ...added, address }, wish);
    } catch (error) {
      failures.push(`${address}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(`Unable to connect to any of the token's addresses\n${failures.join("\n")}`);
}

async function tryAddress(context: Context, { name, address }: Added, wish: Wish): Promise<void> {
  const { remotes } = context.config;
  const addr = remoteUrl(address, "lxd");
  const isUnix = addr.startsWith("unix:");
  try {
    if (!isUnix) {
      if (!wish.public) await ensureClientCertificate(context);
      await pinCertificate(context, { name, addr }, wish);
    }
    if (wish.public) {
      remotes.set(name, { addr, public: true });
      await context.client(name).get("/1.0");
      return;
    }
    const remote: Remote = { addr, auth_type: "tls", protocol: "lxd", public: false };
    remotes.set(name, remote);
    const client = context.client(name);
    await becomeTrusted(context, { name, client }, wish);
    const project = await chooseProject(context, client, wish.project);
    remotes.set(name, { ...remote, project });
  } catch (error) {
    remotes.delete(name);
    context.forget(name);
    if (!isUnix) removeFile(certificatePath(context, name));
    throw error;
  }
}

interface Server {
  readonly auth: string;
  readonly auth_methods: readonly string[];
  readonly api_extensions: readonly string[];
}

async function becomeTrusted(
  context: Context,
  { name, client }: { name: string; client: Client },
  wish: Wish,
): Promise<void> {
  const { auth, auth_methods: methods } = await client.get<Server>("/1.0");
  const type = wish["auth-type"];
  if (type !== "" && (type !== "tls" || !methods.includes(type))) {
    throw new Error(`Authentication type '${type}' not supported by server`);
  }
  if (auth === "trusted") return;
  let password = wish.token?.text ?? wish.password;
  if (password === "") {
    context.out.text(`Admin password (or token) for ${name}: `);
    const answer = readPassword();
    context.out.text("\n");
    if (answer === "") throw new Error("No password or token given: the server doesn't trust us");
    password = answer;
  }
  await client.send("POST", "/1.0/certificates", { json: { type: "client", password } });
  const { auth: after } = await client.get<Server>("/1.0");
  if (after !== "trusted") throw new Error("Server doesn't trust us after authentication");
  if (wish.token === undefined) {
    context.out.line(`Client certificate now trusted by server: ${name}`);
  }
}

async function chooseProject(
  context: Context,
  client: Client,
  wanted: string,
): Promise<string> {
  if (wanted !== "") {
    await client.get(`/1.0/projects/${encodeURIComponent(wanted)}`);
    return wanted;
  }
  const { api_extensions: extensions } = await client.get<Server>("/1.0");
  if (!extensions.includes("projects")) return "default";
  const projects = await client.get<{ name: string }[]>("/1.0/projects", {
    query: { recursion: 1 },
  });
  const names = projects.map(({ name }) => name);
  if (names.length <= 1) return names[0] ?? "default";
  context.out.line(`Available projects:\n${names.map((one) => ` - ${one}`).join("\n")}`);
  for (;;) {
    context.out.text("Name of the project to use for this remote: ");
    const answer = readLine();
    if (answer === undefined) throw new Error("EOF");
    if (names.includes(answer.trim())) return answer.trim();
    context.out.error("Invalid input, try again.\n");
  }
}

/** A certificate that no known authority signed is kept once the user has seen its fingerprint. */
async function pinCertificate(
  context: Context,
  { name, addr }: { name: string; addr: string },
  wish: Wish,
): Promise<void> {
  const certificate = await peerCertificate(addr);
  const fingerprint = await fingerprintOf(certificate);
  if (wish.token !== undefined && wish.token.fingerprint !== "") {
    if (wish.token.fingerprint !== fingerprint) {
      throw new Error(
        "Certificate fingerprint mismatch between certificate token and server " + addr,
      );
    }
  } else if (await isVerified(addr)) return;
  else if (!wish["accept-certificate"]) confirmFingerprint(context, fingerprint);
  const path = certificatePath(context, name);
  Deno.mkdirSync(`${context.config.directory}/servercerts`, { recursive: true, mode: 0o750 });
  Deno.writeTextFileSync(path, toPem("CERTIFICATE", certificate), { mode: 0o644 });
}

async function isVerified(addr: string): Promise<boolean> {
  try {
    (await tlsDialer(addr, { allowOldTls: true }).dial()).close();
    return true;
  } catch {
    return false; // Ignored: its owner is asked about, or the next step says what is wrong.
  }
}

function confirmFingerprint(context: Context, fingerprint: string): void {
  context.out.line(`Certificate fingerprint: ${fingerprint}`);
  context.out.text("ok (y/n/[fingerprint])? ");
  const answer = readLine()?.trim().toLowerCase();
  if (answer === undefined) throw new Error("EOF");
  if (answer.startsWith("y") || answer === fingerprint) return;
  throw new Error(
    answer === "" || answer.startsWith("n")
      ? "Server certificate NACKed by user"
      : "Please type 'y', 'n' or the fingerprint:",
  );
}

/** A key and certificate of this client, made when they are needed first. */
async function ensureClientCertificate(context: Context): Promise<void> {
  const { directory } = context.config;
  const isThere = ["client.crt", "client.key"].every((file) => {
    try {
      return Deno.statSync(`${directory}/${file}`).isFile;
    } catch {
      return false; // Ignored: it is made below.
    }
  });
  if (isThere) return;
  context.out.error("Generating a client certificate. This may take a minute...");
  const user = Deno.env.get("USER") || "root";
  const pair = await selfSigned({ kind: "client", commonName: `${user}@${Deno.hostname()}` });
  Deno.mkdirSync(directory, { recursive: true, mode: 0o750 });
  Deno.writeTextFileSync(`${directory}/client.key`, pair.keyPem, { mode: 0o600 });
  Deno.writeTextFileSync(`${directory}/client.crt`, pair.certificatePem, { mode: 0o644 });
}
