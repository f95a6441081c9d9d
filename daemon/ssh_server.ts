/** An SSH server that has nothing but SFTP, for `lxc file mount`. Only this file imports ssh2. */
import { Fault, messageOf } from "#base/errors.ts";
import type { RawStream, SshServeOptions } from "#base/program.ts";
import { timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { formatAddress, parseAddress } from "./http/address.ts";

const ANY_PORT = 0;

/** Serve until the process is told to end. @throws {Fault} if the address can't be had. */
export async function sshServe(options: SshServeOptions): Promise<void> {
  const { default: library } = await import("ssh2") as { default: Ssh2 };
  const { private: hostKey } = library.utils.generateKeyPairSync("ed25519");
  const server = new library.Server({ hostKeys: [hostKey] }, (client) => {
    // Requests and answers take turns: waiting for more to send would cost 40 ms each.
    client.setNoDelay(true);
    client.on("error", (error: unknown) => options.log(`SSH client error: ${messageOf(error)}`));
    client.on("authentication", (attempt: Attempt) => {
      if (mayLogIn(attempt, options)) attempt.accept();
      else attempt.reject(["password"]);
    });
    client.on("session", (accept: () => Session) => {
      const session = accept();
      session.on("subsystem", (accept, reject, { name }) => {
        if (name !== "sftp") return reject();
        const channel = accept();
        passThrough(channel, options).catch((error) => {
          options.log(`SFTP session failed: ${messageOf(error)}`);
          channel.end();
        });
      });
    });
  });
  const { host, port } = parseAddress(options.address, ANY_PORT);
  const { promise: failed, reject } = Promise.withResolvers<never>();
  server.on("error", (error: unknown) => {
    const message = `cannot listen on "${options.address}": ${messageOf(error)}`;
    reject(new Fault("bad_request", message, { cause: error }));
  });
  server.listen(port, host === "" ? "::" : host, () => {
    const { port: bound } = server.address();
    options.say(`SSH SFTP listening on ${formatAddress({ host, port: bound })}`);
    const { login } = options;
    options.say(
      login === undefined
        ? "Login without username and password"
        : `Login with username "${login.user}" and password "${login.password}"`,
    );
  });
  await failed;
}

function mayLogIn({ method, username, password = "" }: Attempt, { login }: SshServeOptions) {
  if (login === undefined) return true;
  return method === "password" && isSame(username, login.user) && isSame(password, login.password);
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

async function passThrough(channel: Duplex, { open }: SshServeOptions): Promise<void> {
  const stream = await open();
  channel.once("close", () => stream.close());
  const toGuest = (async () => {
    for await (const bytes of channel) await stream.write(bytes);
    stream.close();
  })();
  toGuest.catch(() => channel.end()); // Ignored: the other direction ends too.
  await copyTo(channel, stream);
  channel.end();
}

async function copyTo(channel: Duplex, stream: RawStream): Promise<void> {
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    // The next read reuses the memory.
    if (channel.write(bytes.slice())) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    channel.once("drain", resolve);
    channel.once("close", resolve);
    await promise;
    channel.removeListener("drain", resolve);
    channel.removeListener("close", resolve);
    if (channel.destroyed) return;
  }
}

/** What is used of ssh2. */
interface Ssh2 {
  readonly Server: new (
    config: { hostKeys: string[] },
    onClient: (client: NodeJS.EventEmitter & { setNoDelay(on: boolean): void }) => void,
  ) => NodeJS.EventEmitter & {
    listen(port: number, host: string, onListening: () => void): void;
    address(): { port: number };
  };
  readonly utils: { generateKeyPairSync(type: "ed25519"): { private: string } };
}

interface Attempt {
  readonly method: string;
  readonly username: string;
  readonly password?: string;
  accept(): void;
  reject(methods: string[]): void;
}

interface Session {
  on(
    event: "subsystem",
    listener: (accept: () => Duplex, reject: () => void, info: { name: string }) => void,
  ): void;
}
