/** Hands events to the listeners of GET /1.0/events. A listener that can't follow is dropped. */
import { wireTime } from "#base/time.ts";
import type { EventObject } from "#api/envelope.ts";
import { LIMITS } from "#base/limits.ts";
import { type Caller, mayUse } from "#daemon/http/caller.ts";
import type { WebSocket } from "#daemon/http/websocket.ts";
import type { Events } from "./events.ts";

export interface Listener {
  readonly socket: WebSocket;
  readonly types: readonly string[];
  /** undefined: all projects. */
  readonly project: string | undefined;
  readonly caller: Caller;
}

export interface EventBus extends Events {
  listen(listener: Listener): void;
  /** Call `run` after each change of anything (lifecycle event). */
  onChange(run: () => void): void;
  close(): void;
}

/** Nothing is kept: who listens later has missed it. */
export function createEvents(): EventBus {
  const listeners = new Set<Listener>();
  const observers: (() => void)[] = [];
  const send = (event: EventObject) => {
    if (listeners.size === 0) return;
    const frame = JSON.stringify(event);
    for (const listener of listeners) {
      const { socket, types, project, caller } = listener;
      if (!types.includes(event.type)) continue;
      if (event.type === "logging" && caller.projects !== "all") continue;
      const isOther = event.project !== "" && project !== undefined && event.project !== project;
      if (isOther || (event.project !== "" && !mayUse(caller, event.project))) continue;
      if (socket.bufferedAmount > LIMITS.eventQueueFrames * 1024) socket.terminate();
      else socket.send(frame);
    }
  };
  const stamp = () => wireTime(new Date());
  return {
    listen(listener) {
      listeners.add(listener);
      listener.socket.on("close", () => listeners.delete(listener));
    },
    onChange: (run) => void observers.push(run),
    lifecycle({ action, source, project, context, caller }) {
      const requestor = caller === undefined ? undefined : requestorOf(caller);
      const metadata = { action, source, context: context ?? {}, requestor };
      send({ type: "lifecycle", timestamp: stamp(), metadata, location: "none", project });
      for (const observe of observers) observe();
    },
    operation(project, metadata) {
      send({ type: "operation", timestamp: stamp(), metadata, location: "none", project });
    },
    logging({ level, message, fields, time }) {
      const metadata = { message, level, context: plain(fields) };
      const timestamp = wireTime(time);
      send({ type: "logging", timestamp, metadata, location: "none", project: "" });
    },
    close() {
      for (const { socket } of listeners) socket.close();
    },
  };
}

function requestorOf(caller: Caller) {
  const address = caller.protocol === "unix" ? "@" : caller.address;
  return { username: caller.username, protocol: caller.protocol, address };
}

function plain(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error
        ? value.message
        : typeof value === "string"
        ? value
        : JSON.stringify(value),
    ]),
  );
}
