/** Migrations as routes start them: operations that send or receive. */
import type { InstanceSource, MigrationTarget } from "#api/routes/instances.ts";
import { Fault } from "#base/errors.ts";
import { criuRefusal } from "#daemon/host/criu.ts";
import type { RemoteHttp } from "#daemon/images/remote/http.ts";
import type { InstanceContext } from "#daemon/instances/context.ts";
import type { FilledSource } from "#daemon/instances/plan_creation.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import type { OperationStart } from "#daemon/operations/operation.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import type { NewVolume } from "#daemon/storage/custom/service.ts";
import type { CustomContext } from "#daemon/storage/custom/context.ts";
import { type Accept, awaitPeer, connectPeer, type Open } from "./session.ts";
import { filledByPeer, refreshFromPeer } from "./sink.ts";
import { sendInstance, type SendWish } from "./source.ts";
import { receiveVolume, refreshVolumeFromPeer } from "./volume_sink.ts";
import { sendVolume, type SendVolumeWish } from "./volume_source.ts";

/** How an operation gets its peer, and what it must be started with for that. */
export interface Link {
  readonly start: Pick<OperationStart, "class" | "metadata" | "connect">;
  readonly open: Open;
}

/** How a volume is received. */
export interface VolumeReceipt {
  /** undefined: it is there already and is brought up to date. */
  readonly wish: NewVolume | undefined;
  readonly volumeOnly: boolean;
  readonly signal: AbortSignal;
}

export interface Migrations {
  /** The other side of what `source` describes. @throws {Fault} bad_request */
  link(source: Pick<InstanceSource, "mode" | "operation" | "certificate" | "secrets">): Link;
  /** The other side that a source sends to; it connects to us if there is none. */
  linkTo(target: MigrationTarget | undefined): Link;
  filled(link: Link): FilledSource;
  refresh(
    target: InstanceRecord,
    link: Link,
    options: { readonly instanceOnly: boolean; readonly signal: AbortSignal },
  ): Promise<void>;
  send(link: Link, wish: SendWish, signal: AbortSignal): Promise<void>;
  receiveVolume(target: VolumeName, link: Link, receipt: VolumeReceipt): Promise<void>;
  sendVolume(link: Link, wish: SendVolumeWish, signal: AbortSignal): Promise<void>;
  /** @throws {Fault} bad_request if processes shall move: with the reason of CRIU. */
  refuseLive(live: boolean | undefined, runs: boolean): Promise<void>;
}

/** Nothing is opened before an operation runs. @see LXD doc/migration.md */
export function createMigrations(
  ctx: InstanceContext,
  { http, accept, custom }: {
    readonly http: RemoteHttp;
    readonly accept: Accept;
    readonly custom: CustomContext;
  },
): Migrations {
  const connectTo = (peer: Parameters<typeof connectPeer>[1]): Link => ({
    start: { class: "task" },
    open: () => connectPeer(http, peer),
  });
  return {
    link(source) {
      const mode = source.mode || "pull";
      if (mode === "push") return awaitPeer(accept);
      if (mode === "pull") return connectTo(source);
      throw new Fault("bad_request", `Unknown migration mode "${mode}"`, {
        hint: "There are pull and push.",
      });
    },
    linkTo: (target) =>
      (target?.operation ?? "") === "" ? awaitPeer(accept) : connectTo(target ?? {}),
    filled: (link) => filledByPeer(ctx, link.open),
    refresh: (target, link, options) => refreshFromPeer(ctx, target, link.open, options),
    async send(link, wish, signal) {
      using session = await link.open(signal);

      await sendInstance(ctx, session, wish, signal);
    },
    receiveVolume: (target, link, { wish, ...options }) =>
      wish === undefined
        ? refreshVolumeFromPeer(custom, target, link.open, options)
        : receiveVolume(custom, target, link.open, { ...options, wish }),
    async sendVolume(link, wish, signal) {
      using session = await link.open(signal);

      await sendVolume(custom, session, wish, signal);
    },
    async refuseLive(live, runs) {
      if (live !== true || !runs) return;
      throw new Fault(
        "bad_request",
        `Unable to perform container live migration. ${
          await criuRefusal() ?? "this server moves no running state"
        }`,
        { hint: "Stop the instance, or copy it with --stateless." },
      );
    },
  };
}
