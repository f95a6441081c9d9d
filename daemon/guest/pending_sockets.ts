/** The websockets that a client has to open for an operation, each with a secret of its own. */
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { ExecSockets } from "./exec_session.ts";
import type { Peer } from "./streams.ts";

/** Each is claimed once; who waits for one that does not come in time gets a Fault. */
export class PendingSockets implements ExecSockets {
  /** Name ("0", "1", "2", "control") -> secret. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly #arrivals = new Map<string, PromiseWithResolvers<Peer>>();
  readonly #taken = new Map<string, Peer | undefined>();

  constructor(readonly names: readonly string[]) {
    this.secrets = Object.fromEntries(names.map((name) => [name, newSecret()]));
    for (const name of names) this.#arrivals.set(name, Promise.withResolvers());
  }

  /** The name that a secret stands for, from now on taken. @throws {Fault} not_authorized */
  claim(secret: string): string {
    const name = this.names.find((one) => this.secrets[one] === secret);
    if (name === undefined) throw new Fault("not_authorized", "not authorized");
    if (this.#taken.has(name)) {
      throw new Fault("bad_request", `websocket "${name}" is connected already`);
    }
    this.#taken.set(name, undefined);
    return name;
  }

  arrive(name: string, peer: Peer): void {
    this.#taken.set(name, peer);
    this.#arrivals.get(name)?.resolve(peer);
  }

  /** Settles when it is connected; never, if it does not come. */
  peer(name: string): Promise<Peer> {
    const arrival = this.#arrivals.get(name);
    if (arrival === undefined) throw new Error(`bug: no websocket "${name}"`);
    return arrival.promise;
  }

  isConnected(name: string): boolean {
    return this.#taken.get(name) !== undefined;
  }

  /** @throws {Fault} bad_request if one of them is not there in time, or the signal's reason. */
  async require(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new Fault("bad_request", "Timed out waiting for websockets to connect"));
    }, LIMITS.websocketConnectMs);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([Promise.all(names.map((name) => this.peer(name))), late]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Say goodbye on all of them. */
  close(): void {
    for (const peer of this.#taken.values()) peer?.websocket.close(1000);
  }
}

function newSecret(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toHex();
}
