/**
 * Undo steps for a half-done change, run newest first unless `keep()` is reached.
 *
 *     await using undo = new Undo();
 *     await driver.createVolume(volume);
 *     undo.add("delete volume", () => driver.deleteVolume(volume));
 *     undo.keep();
 */
export class Undo implements AsyncDisposable {
  #stack = new AsyncDisposableStack();

  /** `onError` gets each undo step that failed itself: one failed step must not stop the older ones. */
  constructor(readonly onError: (step: string, error: unknown) => void = reportToStderr) {}

  /** Register the undo of a step that has just been done. It must be idempotent and take no signal. */
  add(step: string, run: () => void | Promise<void>): void {
    this.#stack.defer(async () => {
      try {
        await run();
      } catch (error) {
        this.onError(step, error);
      }
    });
  }

  /** The change is complete: forget every step. */
  keep(): void {
    this.#stack.move();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function reportToStderr(step: string, error: unknown): void {
  const text = `undo step "${step}" failed: ${error instanceof Error ? error.message : error}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
