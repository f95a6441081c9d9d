/** Runs operations and keeps them for a while after their end. */
import { wireTime } from "#base/time.ts";
import type { OperationObject } from "#api/envelope.ts";
import { STATUS } from "#api/status.ts";
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { Logger } from "#base/log.ts";
import { mayUse } from "#daemon/http/caller.ts";
import { errorText } from "#daemon/http/render.ts";
import type { Events } from "./events.ts";
import type { Operation, Operations, OperationStart, OperationState } from "./operation.ts";

/** An operation as the routes of this folder see it. */
export interface LiveOperation extends Operation {
  readonly start: OperationStart;
}

export interface OperationRegistry extends Operations {
  get(id: string): LiveOperation;
  list(project?: string): readonly LiveOperation[];
}

/** `get` throws not_found; those that ended stay a few seconds for who waits. */
export function createOperations(deps: { events: Events; log: Logger }): OperationRegistry {
  const all = new Map<string, Running>();
  const get = (id: string) => {
    const found = all.get(id);
    if (found === undefined) throw new Fault("not_found", `Operation "${id}" not found`);
    return found;
  };
  return {
    start(options) {
      const operation = new Running(options, deps, () => all.delete(operation.id));
      all.set(operation.id, operation);
      operation.begin();
      return operation;
    },
    get,
    list: (project) =>
      [...all.values()].filter((one) => project === undefined || one.project === project),
    cancel: (id) => get(id).cancel(),
    async drain(timeoutMs) {
      const unfinished = [...all.values()].filter((one) => !one.isOver);
      for (const one of unfinished) if (one.isCancellable) one.cancel();
      const ends = Promise.all(unfinished.filter((one) => one.start.run).map((one) => one.done));
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, timeoutMs);
      await Promise.race([ends, late]);
      clearTimeout(timer);
    },
  };
}

class Running implements LiveOperation {
  readonly id = crypto.randomUUID();
  readonly done: Promise<void>;
  readonly #settle: () => void;
  readonly #abort = new AbortController();
  readonly #createdAt = new Date();
  #updatedAt = this.#createdAt;
  #metadata: Record<string, unknown> | null;
  state: OperationState = { status: "Pending" };

  constructor(
    readonly start: OperationStart,
    readonly deps: { events: Events; log: Logger },
    readonly forget: () => void,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = resolve;
    this.#metadata = start.metadata === undefined ? null : { ...start.metadata };
  }

  get project(): string {
    return this.start.project;
  }

  get isOver(): boolean {
    return STATUS[this.state.status] >= 200;
  }

  get isCancellable(): boolean {
    return this.start.cancellable ?? (this.start.class ?? "task") !== "task";
  }

  begin(): void {
    this.#enter({ status: "Running" });
    if (this.start.run === undefined) return; // A token: lives until it is used or cancelled.
    void this.#work(this.start.run);
  }

  async #work(run: NonNullable<OperationStart["run"]>): Promise<void> {
    try {
      const result = await run({
        id: this.id,
        signal: this.#abort.signal,
        progress: (metadata) => {
          this.#metadata = { ...this.#metadata, ...metadata };
          this.#touch();
        },
      });
      if (result !== undefined) this.#metadata = { ...this.#metadata, ...result };
      this.#enter({ status: "Success" });
    } catch (error) {
      if (this.#abort.signal.aborted) this.#enter({ status: "Cancelled" });
      else {
        if (!(error instanceof Fault)) {
          this.deps.log.error("operation failed", { operation: this.start.description, error });
        }
        this.#enter({ status: "Failure", error });
      }
    }
  }

  cancel(): void {
    if (this.isOver) throw new Fault("bad_request", "Only running operations can be cancelled");
    if (!this.isCancellable) {
      throw new Fault("bad_request", "This operation can't be cancelled");
    }
    if (this.start.run === undefined) return this.#enter({ status: "Cancelled" });
    this.#enter({ status: "Cancelling" });
    this.#abort.abort(new Fault("bad_request", "the operation was cancelled"));
  }

  #enter(state: OperationState): void {
    this.state = state;
    this.#touch();
    if (!this.isOver) return;
    this.#settle();
    setTimeout(this.forget, LIMITS.operationKeepMs).unref();
  }

  #touch(): void {
    this.#updatedAt = new Date();
    this.deps.events.operation(this.project, this.render());
  }

  render(): OperationObject {
    return {
      id: this.id,
      class: this.start.class ?? "task",
      description: this.start.description,
      created_at: wireTime(this.#createdAt),
      updated_at: wireTime(this.#updatedAt),
      status: this.state.status,
      status_code: STATUS[this.state.status],
      resources: resourceUrls(this.start),
      metadata: this.#metadata,
      may_cancel: this.isCancellable && !this.isOver,
      err: this.state.status === "Failure" ? errorText(this.state.error) : "",
      location: "none",
    };
  }
}

/** Without the project, as LXD's: clients cut names out of them. */
function resourceUrls(start: OperationStart): Record<string, string[]> {
  const urls: Record<string, string[]> = {};
  for (const [kind, names] of Object.entries(start.resources ?? {})) {
    urls[kind] = names.map((name) => `/1.0/${kind}/${name}`);
    if (kind === "instances") {
      urls["containers"] = names.map((name) => `/1.0/containers/${name}`);
    }
  }
  return urls;
}

/** May a caller see the operation? */
export function maySee(operation: Operation, caller: OperationStart["caller"]): boolean {
  return mayUse(caller, operation.project);
}
