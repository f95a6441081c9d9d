/** What another server has to know to fetch something from one. */
import type { Client } from "#api/client.ts";
import { messageOf } from "#base/errors.ts";
import type { Context, Resource } from "#cli/context.ts";

/** A server as another one finds it. */
export interface Server {
  readonly server: string;
  readonly certificate: string;
}

/**
 * Addresses and certificate of a server for another server: the address that this client uses, or all that
 * the server tells. One that doesn't trust us doesn't say them: then what this client knows counts.
 *
 * @throws if it has no address.
 */
export async function serversOf(
  context: Context,
  { client, remote }: Pick<Resource, "client" | "remote">,
  which: "source" | "target" = "source",
): Promise<readonly Server[]> {
  const { environment } = await client.get<{
    environment?: { addresses?: string[]; certificate?: string };
  }>("/1.0");
  const { addr } = context.remote(remote);
  const servers = addr.startsWith("https:")
    ? [addr]
    : (environment?.addresses ?? []).map((address) => `https://${address}`);
  if (servers.length === 0) {
    throw new Error(
      `The ${which} server isn't listening on the network: set its core.https_address, ` +
        "or use --mode=relay",
    );
  }
  const certificate = environment?.certificate ?? context.pinnedCertificate(remote) ?? "";
  return servers.map((server) => ({ server, certificate }));
}

/**
 * Not every address of a server is one for the other: try one after the other. @throws the one reason of all,
 * or each with its address.
 */
export async function tryServers<T>(
  servers: readonly Server[],
  attempt: (server: Server) => Promise<T>,
): Promise<T> {
  const reasons: string[] = [];
  for (const server of servers) {
    try {
      return await attempt(server);
    } catch (error) {
      const isLast = reasons.length === servers.length - 1;
      const reason = messageOf(error);
      if (isLast && reasons.every((one) => one === reason)) throw error;
      reasons.push(reason);
    }
  }
  const lines = servers.map(({ server }, index) => ` - ${server}: ${reasons[index]}`);
  throw new Error(`No address of the server works:\n${lines.join("\n")}`);
}

/** With it one download is allowed to anybody. */
export async function secretOf(client: Client, url: string): Promise<string | undefined> {
  const { metadata } = await client.send<{ metadata: { secret?: string } | null }>(
    "POST",
    `${url}/secret`,
  );
  return metadata.metadata?.secret;
}
