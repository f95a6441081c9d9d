/** How much of a transfer has gone over the wire, as the operations of both sides show it. */
import { progressText } from "#daemon/images/remote/progress.ts";
import type { OperationContext } from "#daemon/operations/operation.ts";
import type { Channel } from "./channel.ts";
import type { Link } from "./service.ts";

/** A link that tells an operation of its progress, from when it is known. */
export interface WatchedLink extends Link {
  /** @param progress Takes `fs_progress`, LXD's key: "web: 12MB (3.40MB/s)". */
  tell(progress: OperationContext["progress"]): void;
}

const INTERVAL_MS = 1000;

/** @param name What is transferred. */
export function watched(link: Link, name: string): WatchedLink {
  let tell: OperationContext["progress"] = () => {};
  return {
    start: link.start,
    async open(signal) {
      const session = await link.open(signal);
      const note = meter((bytes, elapsedMs) =>
        tell({ fs_progress: progressText({ part: name, bytes, total: 0 }, elapsedMs) })
      );
      return { ...session, fs: counted(session.fs, note) };
    },
    tell(progress) {
      tell = progress;
    },
  };
}

/** Adds up bytes, and reports now and then. */
function meter(report: (bytes: number, elapsedMs: number) => void): (bytes: number) => void {
  const startMs = performance.now();
  let lastMs = startMs;
  let total = 0;
  return (bytes) => {
    total += bytes;
    const nowMs = performance.now();
    if (nowMs - lastMs < INTERVAL_MS) return;
    lastMs = nowMs;
    report(total, nowMs - startMs);
  };
}

function counted(channel: Channel, note: (bytes: number) => void): Channel {
  return {
    async next() {
      const message = await channel.next();
      if (message !== undefined) note(message.data.length);
      return message;
    },
    async send(data, kind) {
      await channel.send(data, kind);
      note(data.length);
    },
    close: () => channel.close(),
  };
}
