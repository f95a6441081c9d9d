/** An error of a call as the message that the client prints. */
import { ClientError } from "#api/client.ts";
import { SocketUnreachable } from "#api/transport.ts";
import { UsageError } from "./command.ts";

/** What went wrong, in words for a person, and what to do where that is known. */
export function messageOf(error: unknown): string {
  if (error instanceof ClientError || error instanceof UsageError) return error.message;
  // What reads a connection whose other end has gone finds it closed under its hands.
  if (error instanceof Deno.errors.BadResource) return "the connection to the daemon was lost";
  if (error instanceof SocketUnreachable) return `cannot reach the daemon: ${unreachable(error)}`;
  return error instanceof Error ? networkError(error) ?? fileError(error.message) : String(error);
}

function unreachable({ message, path, cause }: SocketUnreachable): string {
  if (cause instanceof Deno.errors.NotFound) {
    return "its socket does not exist; is it running? (LXD_DIR says where it lives)";
  }
  if (cause instanceof Deno.errors.ConnectionRefused) {
    return "nobody listens on its socket; is it running?";
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return notAllowed(groupOf(path));
  }
  return message;
}

function notAllowed(group: string | undefined): string {
  return group === undefined || group === "root"
    ? "only root may use its socket"
    : `you may not use its socket: its group "${group}" may (usermod -aG ${group} USER, and a new login)`;
}

/** Name of the group that a file belongs to; undefined if it can't be told. */
function groupOf(path: string): string | undefined {
  try {
    const { gid } = Deno.statSync(path);
    const rows = Deno.readTextFileSync("/etc/group").split("\n").map((line) => line.split(":"));
    return rows.find(([, , id]) => Number(id) === gid)?.[0];
  } catch {
    return "lxd"; // Ignored: its folder is hidden too, and that is its usual name.
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "the network is unreachable",
  ENOTFOUND: "no such host",
  ETIMEDOUT: "it does not answer",
};

/** "connect ECONNREFUSED 10.0.0.1:8443", of a server with HTTPS. */
function networkError({ message }: Error): string | undefined {
  const [, code = "", place] = /^(?:connect|getaddrinfo) (E\w+) (\S+)/.exec(message) ?? [];
  const reason = REASONS[code];
  return reason && `Unable to connect to: ${place} (${reason})`;
}

/** "No such file or directory (os error 2): open 'x'" -> "open x: no such file or directory". */
function fileError(message: string): string {
  const [, reason, call, path] = /^(.+) \(os error \d+\): (\w+) '(.*)'$/s.exec(message) ?? [];
  return reason === undefined
    ? message
    : `${call === "readfile" ? "open" : call} ${path}: ${reason.toLowerCase()}`;
}
