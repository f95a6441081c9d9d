/**
 * Queries and control of a container by liblxc. One handle per concurrent caller: hold it with
 * `using`, never keep it on a record (concurrent calls on one handle can deadlock).
 */
import type { HostPath } from "#base/brand.ts";
import { ERRNO, LxcError, SysError } from "#base/errors.ts";
import { OwnedFd } from "#ffi/libc/fd.ts";
import { cstring, libc } from "#ffi/libc/open.ts";
import { liblxc, textAt } from "./open.ts";
import { METHODS, OFFSET } from "./raw.ts";

export type LxcState =
  | "STOPPED"
  | "STARTING"
  | "RUNNING"
  | "STOPPING"
  | "ABORTING"
  | "FREEZING"
  | "FROZEN"
  | "THAWED";

/** Owns one reference of liblxc; disposing gives it back, the container itself goes on. */
export class Container implements Disposable {
  readonly #self: Deno.PointerObject;
  readonly #view: Deno.UnsafePointerView;

  /**
   * `config` is the file that the container was started with. Without one (and without
   * `<lxcPath>/<name>/config`) liblxc refuses to freeze and unfreeze.
   *
   * @throws {LxcError} if liblxc can't allocate or lock the container or read `config`.
   */
  constructor(readonly name: string, lxcPath: HostPath, config?: HostPath) {
    const self = liblxc().lxc_container_new(cstring(name), cstring(lxcPath));
    if (self === null) throw new LxcError("open", name);
    this.#self = self;
    this.#view = new Deno.UnsafePointerView(self);
    if (config === undefined) return;
    if (!this.#method("load_config").call(self, cstring(config))) {
      this[Symbol.dispose]();
      throw new LxcError("load the configuration of", name);
    }
  }

  #method<M extends keyof typeof METHODS>(name: M) {
    const pointer = this.#view.getPointer(OFFSET[name]);
    if (pointer === null) throw new LxcError(name, this.name);
    return new Deno.UnsafeFnPointer(
      pointer as Deno.PointerObject<typeof METHODS[M]>,
      METHODS[name],
    );
  }

  async state(): Promise<LxcState> {
    return textAt(await this.#method("state").call(this.#self)) as LxcState;
  }

  /** Pid of init on the host, undefined if it does not run. */
  async initPid(): Promise<number | undefined> {
    const pid = await this.#method("init_pid").call(this.#self);
    return pid > 0 ? pid : undefined;
  }

  async freeze(): Promise<void> {
    if (!await this.#method("freeze").call(this.#self)) throw new LxcError("freeze", this.name);
  }

  async unfreeze(): Promise<void> {
    if (!await this.#method("unfreeze").call(this.#self)) throw new LxcError("unfreeze", this.name);
  }

  /** Kill it. */
  async stop(): Promise<void> {
    if (!await this.#method("stop").call(this.#self)) throw new LxcError("stop", this.name);
  }

  /**
   * Set a value of its cgroup; "devices.allow" and "devices.deny" work on cgroup v2 too. The container
   * must have been opened with its configuration.
   */
  async setCgroupItem(item: string, value: string): Promise<void> {
    const isDone = await this.#method("set_cgroup_item")
      .call(this.#self, cstring(item), cstring(value));
    if (!isDone) throw new LxcError(`set ${item} to "${value}" for`, this.name);
  }

  /** Descriptor of the directory of the container's devpts; undefined where liblxc has none. */
  async devpts(): Promise<OwnedFd | undefined> {
    const fd = await this.#method("devpts_fd").call(this.#self);
    return fd >= 0 ? new OwnedFd(fd) : undefined;
  }

  /** The console's pty, held until it is closed (fd 1 of the pair is a lock on the tty). */
  async console(): Promise<{ readonly lock: OwnedFd; readonly master: OwnedFd }> {
    const tty = new Int32Array([0]);
    const master = new Int32Array([-1]);
    const lock = await this.#method("console_getfd").call(
      this.#self,
      new Uint8Array(tty.buffer),
      new Uint8Array(master.buffer),
    );
    if (lock < 0) throw new LxcError("attach to the console of", this.name);
    return { lock: new OwnedFd(lock), master: new OwnedFd(master[0] ?? -1) };
  }

  /**
   * What the console's ring buffer got since the last read: reading empties it too, so keep it.
   *
   * @throws {LxcError} if it does not run or has no buffer.
   */
  async consoleLog(options: { clear?: boolean; read?: boolean }): Promise<Uint8Array> {
    // struct lxc_console_log: bool clear, bool read, uint64_t *read_max, char *data
    const max = new BigUint64Array([0n]);
    const log = new DataView(new ArrayBuffer(24));
    log.setUint8(0, options.clear ? 1 : 0);
    log.setUint8(1, options.read ?? true ? 1 : 0);
    const maxBytes = new Uint8Array(max.buffer);
    log.setBigUint64(8, Deno.UnsafePointer.value(Deno.UnsafePointer.of(maxBytes)), true);
    const result = await this.#method("console_log").call(this.#self, new Uint8Array(log.buffer));
    if (result === -ERRNO.ENODATA) return new Uint8Array(); // Nothing was written yet.
    if (result < 0) {
      const cause = new SysError("console_log", -result);
      throw new LxcError("read the console log of", this.name, { cause });
    }
    const data = Deno.UnsafePointer.create(log.getBigUint64(16, true));
    const length = Number(max[0]);
    if (data === null || length === 0) return new Uint8Array(); // `data` is invalid at length 0.
    try {
      return new Uint8Array(new Deno.UnsafePointerView(data).getArrayBuffer(length).slice(0));
    } finally {
      libc().free(data); // liblxc allocates it for each reader.
    }
  }

  [Symbol.dispose](): void {
    liblxc().lxc_container_put(this.#self);
  }
}
