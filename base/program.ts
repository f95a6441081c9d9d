/** How this program was called, and what travels with it: given to the parts by mod.ts or the binary. */

export interface Program {
  /** As typed: "lxd", "./dist/lxc" ... */
  readonly argv0: string;
  readonly args: readonly string[];
  /** What another part of the client has read from standard input already. */
  readonly stdin?: string;
  /** Parts that are not evaluated at every start (in the binary: kept beside the common one). */
  loadDaemon(): Promise<DaemonPart>;
  loadClient(): Promise<ClientPart>;
  /** The C helper as bytes. @see ffi/native/README.md */
  helper(): Promise<Uint8Array<ArrayBuffer>>;
}

export interface ClientPart {
  /** Run one call of the client. @returns the exit status. */
  main(program: Program): Promise<number>;
}

export interface DaemonPart {
  /** Run the daemon until its end. @returns the exit status. */
  main(program: Program): Promise<number>;
  /** The routes as an OpenAPI document. */
  openapi(): string;
  /** Add images to a static tree of an image server, and drop old versions from it. */
  imageTree(options: ImageTreeOptions): Promise<void>;
  /** Serve such a tree over TLS until the process is told to end. */
  imageServe(options: ImageServeOptions): Promise<void>;
  /** Move the owners of a tree into an id map or out of it. @returns the exit status. */
  shiftIds(program: Program, options: ShiftOptions): Promise<number>;
  /** Serve an instance's files to SFTP clients until the process is told to end. */
  sshServe(options: SshServeOptions): Promise<void>;
}

/** A connection whose bytes mean something to both ends only. */
export interface RawStream {
  /** Valid until the next read; undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

export interface ShiftOptions {
  readonly directory: string;
  /** "b:0:100000:65536" */
  readonly ranges: readonly string[];
  /** From the ids on the host to those inside. */
  readonly isReverse: boolean;
  /** Only say what would be done. */
  readonly isTest: boolean;
}

export interface SshServeOptions {
  readonly address: string;
  /** Absent: everybody may come in. */
  readonly login?: { readonly user: string; readonly password: string };
  /** A file server for one session. */
  readonly open: () => Promise<RawStream>;
  readonly say: (text: string) => void;
  readonly log: (text: string) => void;
}

export interface ImageTreeOptions {
  readonly directory: string;
  readonly images: readonly { readonly client: unknown; readonly fingerprint: string }[];
  readonly aliases: readonly string[];
  /** Versions to keep of each product; 0: all. */
  readonly keep: number;
  readonly mirrors: readonly string[];
  readonly say: (text: string) => void;
}

export interface ImageServeOptions {
  readonly directory: string;
  /** "[::]:8443" and LXD's other forms. */
  readonly address: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly say: (text: string) => void;
  readonly log: (line: string) => void;
}

/** Commands that only the daemon's part can run. */
const DAEMON_WORDS = ["daemon"];

/** Flags of the daemon that take a value. */
const VALUE_FLAGS = [
  "--group",
  "--logfile",
  "--log-format",
  "--trace",
  "--cpuprofile",
  "--memprofile",
  "--print-goroutines",
];

/**
 * Which part answers? Called as `lxc`: the client. Called as `lxd`: the daemon for `daemon`, for no
 * command at all (service files run `lxd --group lxd --logfile F`), and for an empty command.
 */
export function routeCall(argv0: string, args: readonly string[]): "client" | "daemon" {
  if (isClientName(argv0) || toolName(argv0) !== undefined) return "client";
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? "";
    if (word === "--version" || word === "--help" || word === "-h") return "client";
    if (VALUE_FLAGS.includes(word)) index++;
    else if (!word.startsWith("-")) {
      return word === "" || DAEMON_WORDS.includes(word) ? "daemon" : "client";
    }
  }
  return "daemon";
}

/** Is the program called by the name of the client? */
export function isClientName(argv0: string): boolean {
  return /(^|\/)lxc$/.test(argv0);
}

/** Commands of ours that are programs of their own in LXD: called by that name, it is that command. */
function toolName(argv0: string): string | undefined {
  return /(^|\/)fuidshift$/.test(argv0) ? "fuidshift" : undefined;
}

/** The words of a call, the command first whichever way it was called. */
export function wordsOf({ argv0, args }: Program): readonly string[] {
  const tool = toolName(argv0);
  return tool === undefined ? args : [tool, ...args];
}
