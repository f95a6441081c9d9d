/** Who sent a request, as judged by auth.ts. */
export type Caller =
  | {
    /** Local client; the kernel vouches for its ids (SO_PEERCRED). */
    readonly protocol: "unix";
    readonly uid: number;
    readonly gid: number;
    readonly pid: number;
    readonly username: string;
    readonly trusted: true;
    readonly projects: "all";
  }
  | {
    /** Network client with a certificate from the trust store. */
    readonly protocol: "tls";
    readonly fingerprint: string;
    readonly address: string;
    /** For lifecycle events: the fingerprint. */
    readonly username: string;
    readonly trusted: true;
    /** Restricted certificates see only these projects. */
    readonly projects: "all" | readonly string[];
  }
  | {
    readonly protocol: "tls";
    readonly address: string;
    /** DER of the certificate shown in the handshake, if any. */
    readonly certificate?: Uint8Array;
    /** A certificate of type "metrics": it opens GET /1.0/metrics and nothing else. */
    readonly mayReadMetrics?: true;
    readonly username: "";
    readonly trusted: false;
    readonly projects: readonly [];
  };

/** May the caller touch `project`? */
export function mayUse(caller: Caller, project: string): boolean {
  return caller.projects === "all" || (caller.projects as readonly string[]).includes(project);
}
