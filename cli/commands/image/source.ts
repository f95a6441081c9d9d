/** What another server has to know to fetch something from one. */
import type { Client } from "#api/client.ts";
import type { Context, Resource } from "#cli/context.ts";

/**
 * Address and certificate of a server for another server. One that doesn't trust us doesn't say
 * them: then what this client knows counts. @throws if it has no address.
 */
export async function serverOf(
  context: Context,
  { client, remote }: Pick<Resource, "client" | "remote">,
  which: "source" | "target" = "source",
) {
  const { environment } = await client.get<{
    environment?: { addresses?: string[]; certificate?: string };
  }>("/1.0");
  const { addr } = context.remote(remote);
  const [address] = environment?.addresses ?? [];
  const server = addr.startsWith("https:") ? addr : address && `https://${address}`;
  if (server === undefined) {
    throw new Error(
      `The ${which} server isn't listening on the network: set its core.https_address, ` +
        "or use --mode=relay",
    );
  }
  const certificate = environment?.certificate ?? context.pinnedCertificate(remote) ?? "";
  return { server, certificate };
}

/** With it one download is allowed to anybody. */
export async function secretOf(client: Client, url: string): Promise<string | undefined> {
  const { metadata } = await client.send<{ metadata: { secret?: string } | null }>(
    "POST",
    `${url}/secret`,
  );
  return metadata.metadata?.secret;
}
