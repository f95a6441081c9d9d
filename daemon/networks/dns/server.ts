/**
 * DNS server for zones on core.dns_address: whole zones by AXFR over TCP, and their SOA record (what
 * secondary servers ask first) over TCP and UDP, for the peers of each zone, signed if they have a key.
 */
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import {
  formatAnswer,
  parseQuestion,
  type Question,
  RCODE,
  type ResourceRecord,
  TYPES,
} from "./message.ts";
import { peerOf } from "./peers.ts";
import { findTsig, signAnswers } from "./tsig.ts";

/** A zone with what it holds now. */
export interface ServedZone {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  readonly records: readonly ResourceRecord[];
}

export interface DnsServer {
  close(): Promise<void>;
}

const MESSAGE_MAX = 65535;
const RECORDS_PER_MESSAGE = 100;
const IDLE_MS = 10_000;
const CLIENTS_MAX = 64;

/** @throws if the address can't be listened on. */
export async function serveDns(
  address: { readonly host: string; readonly port: number },
  findZone: (name: string) => Promise<ServedZone | undefined>,
): Promise<DnsServer> {
  const answer = async (message: Uint8Array, address: string): Promise<Uint8Array[]> => {
    const question = parseQuestion(message);
    if (question === undefined) return [];
    const zone = await findZone(question.name);
    const [tsig, nowSeconds] = [findTsig(message), Math.floor(Date.now() / 1000)];
    const peer = zone && peerOf(zone, { address, message, tsig, nowSeconds });
    if (zone === undefined || peer === undefined) {
      return [formatAnswer(question, RCODE.refused, [])];
    }
    const answers = answerFor(question, zone);
    if (peer === "unsigned" || tsig === undefined) return answers;
    return signAnswers(answers, tsig, { secret: peer, nowSeconds });
  };
  const tcp = createServer((socket) => void serveSocket(socket, answer));
  tcp.maxConnections = CLIENTS_MAX;
  const udp = createSocket(address.host.includes(":") ? "udp6" : "udp4");
  udp.on("message", (message, { address: peer, port }) => {
    void answer(message, peer).then(([first]) => {
      if (first !== undefined) udp.send(first, port, peer);
    }, () => undefined); // Ignored: the asker tries again.
  });
  await listening((done) => tcp.listen(address.port, address.host, done), tcp);
  try {
    await listening((done) => udp.bind(address.port, address.host, done), udp);
  } catch (error) {
    tcp.close();
    throw error;
  }
  return {
    async close() {
      const closed = Promise.withResolvers<void>();
      tcp.close(() => closed.resolve());
      udp.close();
      await closed.promise;
    },
  };
}

async function listening(
  start: (done: () => void) => unknown,
  server: { once(event: "error", run: (error: Error) => void): unknown },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  start(resolve);
  await promise;
}

function answerFor(question: Question, { records }: ServedZone): Uint8Array[] {
  if (question.type === TYPES.SOA) {
    return [formatAnswer(question, RCODE.ok, records.slice(0, 1))];
  }
  if (question.type !== TYPES.AXFR) return [formatAnswer(question, RCODE.notImplemented, [])];
  const messages: Uint8Array[] = [];
  for (let at = 0; at < records.length; at += RECORDS_PER_MESSAGE) {
    messages.push(
      formatAnswer(question, RCODE.ok, records.slice(at, at + RECORDS_PER_MESSAGE)),
    );
  }
  return messages;
}

/** Messages on TCP have their length before them. */
async function serveSocket(
  socket: Socket,
  answer: (message: Uint8Array, peer: string) => Promise<Uint8Array[]>,
): Promise<void> {
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  let rest = new Uint8Array();
  try {
    for await (const chunk of socket) {
      rest = concat(rest, chunk);
      while (rest.length >= 2) {
        const length = ((rest[0] ?? 0) << 8) | (rest[1] ?? 0);
        if (rest.length < 2 + length) break;
        const replies = await answer(rest.subarray(2, 2 + length), socket.remoteAddress ?? "");
        for (const reply of replies) {
          socket.write(concat(Uint8Array.of(reply.length >> 8, reply.length & 255), reply));
        }
        rest = rest.slice(2 + length);
      }
      if (rest.length > MESSAGE_MAX + 2) socket.destroy();
    }
  } catch {
    // Ignored: the client has gone.
  }
  socket.destroy();
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
