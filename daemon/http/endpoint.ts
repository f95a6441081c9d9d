/** A TLS listener whose address follows a configuration key. */
import { parseAddress as parseIp } from "#base/ip.ts";
import { listOf } from "#base/list.ts";
import { type ListenAddress, parseAddress, reachableAddresses } from "./address.ts";
import { type Listener, listenTls, type ServerCertificate } from "./listeners.ts";
import type { HttpHandlers } from "./server.ts";

export interface EndpointOptions {
  readonly defaultPort: number;
  readonly certificate: () => ServerCertificate;
}

/** One address at a time; open connections outlive a change of it. */
export class Endpoint {
  readonly #options: EndpointOptions;
  #handlers: HttpHandlers | undefined;
  #address: ListenAddress | undefined;
  #listener: Listener | undefined;
  #proxies: ReadonlySet<string> = new Set();

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** Before this nothing is listened to, so that nobody meets a half-built daemon. */
  serve(handlers: HttpHandlers): void {
    this.#handlers = handlers;
  }

  /** @throws {Fault} bad_request if it is no address. */
  check(address: string): void {
    if (address !== "") parseAddress(address, this.#options.defaultPort);
  }

  /**
   * Listen on `address` ("": nowhere) instead. Open connections stay.
   *
   * @throws {Fault} bad_request if that can't be; then the address of before is listened to again.
   */
  async move(address: string): Promise<void> {
    const { defaultPort } = this.#options;
    const next = address === "" ? undefined : parseAddress(address, defaultPort);
    const before = this.#address;
    await this.#listener?.retire();
    this.#listener = undefined;
    this.#address = undefined;
    try {
      await this.#listen(next);
    } catch (error) {
      await this.#listen(before);
      throw error;
    }
  }

  async #listen(address: ListenAddress | undefined): Promise<void> {
    if (address === undefined || this.#handlers === undefined) return;
    const certificate = this.#options.certificate();
    const isTrustedProxy = (host: string) => this.#proxies.has(canonical(host));
    this.#listener = await listenTls({ ...address, certificate, isTrustedProxy }, this.#handlers);
    this.#address = address;
  }

  /** @param proxies Addresses, comma separated: their PROXY headers count from now on. */
  trust(proxies: string): void {
    this.#proxies = new Set(listOf(proxies).map(canonical));
  }

  /** With which addresses clients reach it. */
  addresses(): string[] {
    return this.#address === undefined ? [] : reachableAddresses(this.#address);
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }
}

/** "::1" and "0:0:0:0:0:0:0:1" are one. */
function canonical(address: string): string {
  const parsed = parseIp(address);
  return parsed === undefined ? address : `${parsed.family}/${parsed.value}`;
}
