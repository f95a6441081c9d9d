/** Images: the contract for the rest of the daemon. */
import type { HostPath } from "#base/brand.ts";
import type { SourceBody } from "./remote/source.ts";

export interface ImageFiles {
  readonly fingerprint: string;
  /** images/<fingerprint>: the whole image, or the metadata part of a split one. */
  readonly meta: HostPath;
  /** images/<fingerprint>.rootfs of a split image. */
  readonly rootfs: HostPath | undefined;
}

export interface ImageRef {
  readonly fingerprint: string;
  readonly architecture: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly profiles: readonly string[];
  readonly type: "container" | "virtual-machine";
}

export interface Images {
  /** By alias, else by fingerprint or unique prefix. @throws {Fault} not_found, bad_request (ambiguous) */
  resolve(project: string, nameOrPrefix: string): Promise<ImageRef>;
  /** First image whose properties all match. @throws {Fault} not_found */
  findByProperties(
    project: string,
    properties: Readonly<Record<string, string>>,
  ): Promise<ImageRef>;
  /**
   * Fetch an image of another server for an instance, unless it is here already. It goes again when
   * it isn't used for long. @throws {Fault} bad_request, not_found, unavailable
   */
  fetch(
    project: string,
    source: SourceBody,
    options: { signal: AbortSignal; progress?: (text: string) => void },
  ): Promise<string>;
  files(fingerprint: string): ImageFiles;
  /** Unpack into `directory`: rootfs/, metadata.yaml, templates/. Safe against hostile archives. */
  unpack(
    fingerprint: string,
    directory: HostPath,
    options: { signal?: AbortSignal; progress?: (text: string) => void },
  ): Promise<void>;
  /** Bytes that it takes at least when it is unpacked. */
  unpackedBytes(fingerprint: string): Promise<number>;
  /** Update last_use_date. */
  touch(project: string, fingerprint: string): Promise<void>;
  /** Refuse more downloads and builds, wait for running ones. */
  close(): Promise<void>;
}
