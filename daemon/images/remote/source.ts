/** Where an image comes from: what requests say, what the database keeps. */
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { ReceivedImage } from "#daemon/images/store.ts";

export const PROTOCOLS = ["lxd", "direct", "simplestreams"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface RemoteSource {
  readonly protocol: Protocol;
  /** https URL of the server, or of the image itself (direct). */
  readonly server: string;
  /** PEM; "": the server's certificate is verified. */
  readonly certificate: string;
  /** Under which name it is found there, also when it is another image tomorrow; "": none. */
  readonly alias: string;
  /** (The start of) the one that is wanted; "": what the alias means now. */
  readonly fingerprint: string;
  readonly secret: string;
  readonly project: string;
}

/** An image that a server has. */
export interface RemoteImage {
  readonly fingerprint: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly filename: string;
  readonly size: number;
  readonly expiresAt: Date | undefined;
  readonly aliases: readonly string[];
  /** Fetch it into an empty directory, its fingerprint and all sums verified. */
  download(directory: HostPath, options: DownloadOptions): Promise<ReceivedImage>;
}

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Bytes so far of bytes in all (0: unknown), of the named part. */
  readonly progress: (part: string, bytes: number, total: number) => void;
}

export interface RemoteServer {
  /** @throws {Fault} not_found, unavailable */
  find(source: RemoteSource, options: FindOptions): Promise<RemoteImage>;
}

export interface FindOptions {
  /** The kernel's name: "x86_64". */
  readonly architecture: string;
  /** Ask the server, even if what it said lately is kept. */
  readonly isFresh: boolean;
  readonly signal: AbortSignal;
}

export interface SourceBody {
  readonly protocol?: string;
  readonly server?: string;
  readonly certificate?: string;
  readonly alias?: string;
  readonly fingerprint?: string;
  readonly secret?: string;
  readonly project?: string;
  readonly url?: string;
  readonly type?: string;
  readonly image_type?: string;
}

/** @throws {Fault} bad_request */
export function parseSource(body: SourceBody): RemoteSource {
  if (body.image_type === "virtual-machine") {
    throw new Fault("bad_request", "virtual machine images are not supported", {
      hint: "This server runs system containers.",
    });
  }
  const common = { secret: body.secret ?? "", project: body.project ?? "" };
  if (body.type === "url") {
    const server = body.url ?? "";
    if (server === "") throw new Fault("bad_request", "Missing URL");
    return {
      ...common,
      protocol: "direct",
      server,
      certificate: "",
      alias: server,
      fingerprint: "",
    };
  }
  const protocol = PROTOCOLS.find((one) => one === (body.protocol || "lxd"));
  if (protocol === undefined || protocol === "direct") {
    throw new Fault("bad_request", `Unknown protocol "${body.protocol}"`, {
      hint: "Servers speak lxd or simplestreams.",
    });
  }
  const { server = "", certificate = "", alias = "", fingerprint = "" } = body;
  if (alias === "" && fingerprint === "") {
    throw new Fault("bad_request", "Must specify one of alias or fingerprint for init from image");
  }
  // LXD's client names a public image by its alias there.
  const isAlias = alias === "" && !/^[0-9a-f]+$/i.test(fingerprint);
  const names = isAlias ? { alias: fingerprint, fingerprint: "" } : { alias, fingerprint };
  return { ...common, protocol, server, certificate, ...names };
}
