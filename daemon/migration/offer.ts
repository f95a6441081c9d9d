/** What the sending side offers, before the content goes. */
import { Fault } from "#base/errors.ts";
import { readText, writeText } from "./channel.ts";
import { encodeIndex } from "./index_header.ts";
import { encodeHeader, type Header, RSYNC_FEATURES, type WireSnapshot } from "./proto.ts";
import type { Rate } from "./rsync.ts";
import { receiveHeader, type Session } from "./session.ts";

export interface Offer {
  /** How the content goes: one of `FS`. */
  readonly fs: number;
  /** Bytes of a disk; 0: it is none. */
  readonly volumeSize: number;
  /** Oldest first. */
  readonly snapshots: readonly WireSnapshot[];
  readonly rate: Rate;
}

/** @returns what the other side makes of it. @throws {Fault} unavailable if it wants another format. */
export async function offer(
  session: Session,
  { fs, volumeSize, snapshots, rate }: Offer,
): Promise<Header> {
  await session.control.send(encodeHeader({
    fs,
    isShifted: false,
    snapshotNames: snapshots.map(({ name }) => name),
    snapshots,
    rsync: rate.isCompressed ? RSYNC_FEATURES : RSYNC_FEATURES.filter((one) => one !== "compress"),
    refresh: false,
    volumeSize,
    indexVersion: 1,
  }));
  const reply = await receiveHeader(session);
  if (reply.fs === fs) return reply;
  throw new Fault("unavailable", "the other server wants another format than rsync");
}

/**
 * Describe volume and snapshots, and what the present state takes at least.
 *
 * @throws {Fault} unavailable if the other side can't take them.
 */
export async function sendIndex(
  session: Session,
  config: Readonly<Record<string, unknown>>,
  contentBytes: number,
): Promise<void> {
  await writeText(session.fs, encodeIndex(config, contentBytes));
  await readText(session.fs);
}

/** 0 for "", which is none. */
export function secondsOf(time: string): number {
  return time === "" ? 0 : Math.floor(Date.parse(time) / 1000);
}
