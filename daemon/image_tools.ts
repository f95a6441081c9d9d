/** Tools that `lxd image tree` and `lxd image serve` find in the daemon's part of the program. */
import { Client } from "#api/client.ts";
import { assert } from "#base/errors.ts";
import type { ImageServeOptions, ImageTreeOptions } from "#base/program.ts";
import { formatAddress, parseAddress, reachableAddresses } from "./http/address.ts";
import { serveFiles } from "./http/static_server.ts";
import { makeTree } from "./images/tree.ts";

const DEFAULT_PORT = 8443;

/** @throws {Fault} bad_request, not_found */
export async function imageTree(options: ImageTreeOptions): Promise<void> {
  const images = options.images.map(({ client, fingerprint }) => {
    // The client's part of the program has a class of its own of that name.
    assert(typeof client === "object" && client !== null, "a client of the server is given");
    return { client: client as Client, fingerprint };
  });
  await makeTree({ ...options, images });
}

/** Until SIGINT or SIGTERM. @throws {Fault} bad_request if it can't listen there. */
export async function imageServe(options: ImageServeOptions): Promise<void> {
  const address = parseAddress(options.address, DEFAULT_PORT);
  const end = new AbortController();
  const stop = () => end.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  const { port, ended } = await serveFiles({ ...options, address }, end.signal);
  const [shown = formatAddress({ ...address, port })] = reachableAddresses({ ...address, port });
  options.say(`Serving "${options.directory}" on https://${shown}`);
  await ended;
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, stop);
}
