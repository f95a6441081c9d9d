/** The DNS server, whose address follows core.dns_address. */
import { Fault, messageOf } from "#base/errors.ts";
import { type DnsServer, serveDns, type ServedZone } from "./server.ts";

export interface DnsOptions {
  /** @throws {Fault} bad_request if it is no address. */
  readonly parse: (address: string) => { readonly host: string; readonly port: number };
  readonly findZone: (name: string) => Promise<ServedZone | undefined>;
}

/** One address at a time; "" is nowhere. */
export class DnsEndpoint {
  readonly #options: DnsOptions;
  #address = "";
  #server: DnsServer | undefined;

  constructor(options: DnsOptions) {
    this.#options = options;
  }

  /** @throws {Fault} bad_request if it is no address. */
  check(address: string): void {
    if (address !== "") this.#options.parse(address);
  }

  /** Listen on `address` ("": nowhere) instead. @throws {Fault} bad_request; the old one stays then. */
  async move(address: string): Promise<void> {
    const before = this.#address;
    await this.close();
    try {
      await this.#listen(address);
    } catch (error) {
      await this.#listen(before);
      throw new Fault("bad_request", `cannot serve DNS on "${address}": ${messageOf(error)}`, {
        cause: error,
        hint: "Is the address one of this host, and the port free?",
      });
    }
  }

  async #listen(address: string): Promise<void> {
    if (address === "") return;
    this.#server = await serveDns(this.#options.parse(address), this.#options.findZone);
    this.#address = address;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#address = "";
    await server?.close();
  }
}
