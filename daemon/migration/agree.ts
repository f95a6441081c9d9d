/** What the receiving side agrees on with the sender, before the content comes. */
import { Fault } from "#base/errors.ts";
import { wireTime } from "#base/time.ts";
import type { SavedConfig } from "#daemon/backups/index.ts";
import type { NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import { readText, writeText } from "./channel.ts";
import { contentBytesOf, decodeIndex } from "./index_header.ts";
import { encodeHeader, type Header, RSYNC_FEATURES, type WireSnapshot } from "./proto.ts";
import { receiveHeader, type Session } from "./session.ts";

export interface Agreed {
  /** With the snapshots that will come, oldest first. */
  readonly header: Header;
  /** What the sender knows of volume and snapshots; undefined: it is too old to say. */
  readonly saved: SavedConfig | undefined;
}

export interface Choice {
  /** How the content shall come: one of `FS`. */
  readonly fs: number;
  /** Which of the offered snapshots are wanted. */
  readonly names: readonly string[];
  readonly refresh: boolean;
  /** Where all of the content is new, and its size may be known: is there room for it? */
  readonly requireRoom?: (contentBytes: number) => Promise<void>;
}

/** @throws {Fault} bad_request, unavailable, no_space */
export async function agree(
  session: Session,
  choose: (offer: Header) => Choice,
): Promise<Agreed> {
  const offer = await receiveHeader(session);
  if (offer.isShifted) {
    throw new Fault("bad_request", "the files on the other server have shifted ids", {
      hint: "Move the instance by lxc export and lxc import.",
    });
  }
  for (const name of offer.snapshotNames) {
    if (!/^[^/\0\s]{1,255}$/.test(name) || name === "." || name === "..") {
      throw new Fault("bad_request", `the other server sent an invalid snapshot name "${name}"`);
    }
  }
  const { fs, names, refresh, requireRoom } = choose(offer);
  const snapshots = names.map((name) =>
    offer.snapshots.find((one) => one.name === name) ?? blank(name)
  );
  const header: Header = {
    fs,
    isShifted: false,
    snapshotNames: names,
    snapshots,
    rsync: RSYNC_FEATURES.filter((one) => offer.rsync.includes(one)),
    refresh,
    volumeSize: offer.volumeSize,
    indexVersion: Math.min(1, offer.indexVersion),
  };
  await session.control.send(encodeHeader(header));
  if (header.indexVersion === 0) return { header, saved: undefined };
  const index = await readText(session.fs);
  const saved = decodeIndex(index);
  await requireRoom?.(contentBytesOf(index));
  const answer = { StatusCode: 200, Error: "", Refresh: refresh };
  await writeText(session.fs, JSON.stringify(answer));
  return { header, saved };
}

/** The record of a snapshot that came. */
export function newSnapshot(snapshot: WireSnapshot): NewSnapshot {
  return {
    name: snapshot.name,
    createdAt: timeOf(snapshot.createdAt) || new Date().toISOString(),
    expiresAt: timeOf(snapshot.expiresAt),
    config: snapshot.config,
    devices: snapshot.devices,
    profiles: snapshot.profiles,
    isEphemeral: snapshot.isEphemeral,
  };
}

/** "" for none. */
export function timeOf(seconds: number): string {
  return seconds > 0 ? wireTime(new Date(seconds * 1000)) : "";
}

function blank(name: string): WireSnapshot {
  return {
    name,
    config: {},
    devices: {},
    profiles: [],
    isEphemeral: false,
    architecture: 0,
    createdAt: 0,
    expiresAt: 0,
  };
}
