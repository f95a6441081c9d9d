/** What a command gets to work with: remotes, clients, output, the flags of every command. */
import {
  Client,
  ClientError,
  localSocket,
  type RequestOptions,
  userAgent,
  type WaitOptions,
} from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import { StreamTransport, type Transport, unixDialer } from "#api/transport.ts";
import type { Program } from "#base/program.ts";
import { type Output, progressText } from "./output/output.ts";
import type { RemoteTransport } from "./remote_transport.ts";
import { type ClientConfig, isUnix, type Remote, saveConfig, splitName } from "./remotes.ts";

export interface GlobalOptions {
  readonly debug: boolean;
  readonly forceLocal: boolean;
  readonly project: string;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** A thing named on the command line: `remote:name`. */
export interface Resource {
  readonly remote: string;
  readonly name: string;
  readonly client: Client;
}

/** One for each run of the program. Clients are made when they are asked for, once for each remote. */
export class Context {
  readonly #loadConfig: () => ClientConfig;
  readonly #clients = new Map<string, Client>();

  constructor(
    readonly program: Program,
    readonly programName: "lxc" | "lxd",
    readonly options: GlobalOptions,
    readonly out: Output,
    /** Asked again and again: it keeps what it has read. */
    loadConfig: () => ClientConfig,
    /** undefined: it speaks to this machine only. */
    private readonly remoteTransport?: RemoteTransport,
    /** In the whole client. @throws {YAMLException} */
    readonly parseYaml?: (text: string) => unknown,
  ) {
    this.#loadConfig = loadConfig;
  }

  get config(): ClientConfig {
    return this.#loadConfig();
  }

  saveConfig(): void {
    saveConfig(this.config);
  }

  /** Split `remote:name`; `--force-local` ignores the remote. */
  split(text: string): { remote: string; name: string } {
    const { remote, name } = splitName(text, this.config);
    return { remote: this.options.forceLocal ? "local" : remote, name };
  }

  /** What `remote:name` is, with a client of its remote. */
  resource(text: string): Resource {
    const { remote, name } = this.split(text);
    return { remote, name, client: this.client(remote) };
  }

  /** @throws if there is no such remote. */
  remote(name: string): Remote {
    const remote = this.config.remotes.get(name);
    if (remote === undefined) throw new Error(`The remote "${name}" doesn't exist`);
    return remote;
  }

  /** The project that calls to a remote are about; undefined: the server's default. */
  projectOf(remote: Remote): string | undefined {
    return this.options.project || remote.project || undefined;
  }

  /** A client of a remote (kept). @throws if there is no such remote. */
  client(remoteName: string): Client {
    const known = this.#clients.get(remoteName);
    if (known !== undefined) return known;
    const remote = this.remote(remoteName);
    const client = new Client(this.#transport(remoteName, remote), this.projectOf(remote));
    this.#clients.set(remoteName, client);
    return client;
  }

  /** A client for a member of a cluster. @throws if the server is not part of one. */
  async member(client: Client, target: string): Promise<Client> {
    if (target === "") return client;
    const { environment } = await client.get<{ environment: { server_clustered: boolean } }>(
      "/1.0",
    );
    if (!environment.server_clustered) {
      throw new Error("To use --target, the destination remote must be a cluster");
    }
    return client.onTarget(target);
  }

  /** The certificate that was accepted as the remote was added, as PEM. */
  pinnedCertificate(remoteName: string): string | undefined {
    return this.#read(`servercerts/${remoteName}.crt`);
  }

  /** One of the client's own files; undefined if it is not there. */
  #read(path: string): string | undefined {
    try {
      return Deno.readTextFileSync(`${this.config.directory}/${path}`);
    } catch {
      return undefined; // Ignored: no certificate of our own, or no pinned one.
    }
  }

  #transport(name: string, remote: Remote): Transport {
    if (isUnix(remote)) {
      const path = remote.addr.replace(/^unix:(\/\/)?/, "");
      const socket = path || localSocket((key) => Deno.env.get(key));
      return new StreamTransport(unixDialer(socket), userAgent());
    }
    if (this.remoteTransport === undefined) throw new Error(`bug: "${name}" is another machine`);
    return this.remoteTransport(remote, {
      pinnedPem: this.pinnedCertificate(name),
      certificatePem: this.#read("client.crt"),
      keyPem: this.#read("client.key"),
      authorityPem: this.#read("client.ca"),
    });
  }

  /** Wait for an operation, its progress on the terminal behind `title`. */
  async wait(client: Client, operation: OperationObject, title = ""): Promise<OperationObject> {
    const options: WaitOptions = {
      onProgress: this.out.showsProgress
        ? (metadata) => {
          const text = progressText(metadata);
          if (text !== undefined) this.out.progress(title === "" ? text : `${title}: ${text}`);
        }
        : undefined,
    };
    const interrupted = () => {
      if (!operation.may_cancel) return;
      client.cancel(operation).catch(() => {}); // Ignored: the wait says how it ended.
    };
    Deno.addSignalListener("SIGINT", interrupted);
    try {
      return await client.wait(operation, options);
    } finally {
      Deno.removeSignalListener("SIGINT", interrupted);
      this.out.done();
    }
  }

  /** Send a request; if it started an operation, wait for its end. */
  async operate(
    client: Client,
    method: string,
    path: string,
    options: RequestOptions & { title?: string } = {},
  ): Promise<OperationObject> {
    const reply = await client.send<OperationObject>(method, path, options);
    if (reply.operation === "") return reply.metadata;
    return await this.wait(client, reply.metadata, options.title);
  }

  /** Make a new client of the remote when it is asked for again. */
  forget(remoteName: string): void {
    this.#clients.get(remoteName)?.[Symbol.dispose]();
    this.#clients.delete(remoteName);
  }

  close(): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
  }
}

/** The URL of something: `path("instances", "a b")` is "/1.0/instances/a%20b". */
export function path(...parts: readonly string[]): string {
  return "/1.0/" + parts.map(encodeURIComponent).join("/");
}

/** The server has no such thing; a server that does not answer is another error. */
export const isNotFound = (error: unknown) => error instanceof ClientError && error.status === 404;
