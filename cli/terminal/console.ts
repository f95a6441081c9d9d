/** The console of an instance on the user's terminal. */
import type { Client } from "#api/client.ts";
import type { OperationObject } from "#api/envelope.ts";
import { type Context, path } from "#cli/context.ts";
import { controlSender, forwardSize } from "./control.ts";
import { rawMode, terminalSize } from "./raw_mode.ts";
import { drain, receiveAll, sendAll, type Source } from "./streams.ts";

const CTRL_A = 1;
const Q = "q".charCodeAt(0);

/** Attach until ctrl+a q, or until the console ends. @throws {ClientError} */
export async function attachConsole(
  context: Context,
  client: Client,
  name: string,
  type = "console",
): Promise<void> {
  checkConsoleType(type);
  const { metadata: operation } = await client.send<OperationObject>(
    "POST",
    `${path("instances", name)}/console`,
    { json: { ...terminalSize(), type } },
  );
  const fds = operation.metadata?.fds as Readonly<Record<string, string>> | undefined;
  const open = (fd: string) => client.operationWebsocket(operation.id, fds?.[fd] ?? "");
  const [data, control] = await Promise.all([open("0"), open("control")]);
  using _data = data;
  using _control = control;
  using _raw = rawMode();
  using _size = forwardSize(controlSender(control));
  context.out.text("To detach from the console, press: <ctrl>+a q\n\r");
  drain(control).catch(() => {}); // Ignored: the data tells the end.
  const detached = Promise.withResolvers<void>();
  const input = untilDetach(Deno.stdin, detached.resolve);
  sendAll(input, data).catch(detached.reject);
  await Promise.race([receiveAll(data, Deno.stdout), detached.promise]);
}

/** @throws if instances of this program have no such console. */
export function checkConsoleType(type: string): void {
  if (type === "console") return;
  if (type !== "vga") throw new Error(`Unknown output type "${type}"`);
  throw new Error("VGA console is only supported by virtual machines: use --type=console");
}

/** A source that ends when ctrl+a q was typed; ctrl+a twice is ctrl+a. */
export function untilDetach(source: Source, onDetach: () => void): Source {
  let escaped = false;
  let ended = false;
  return {
    async read(into) {
      for (;;) {
        if (ended) return await new Promise<never>(() => {});
        // One byte stays free: a ctrl+a of the last read may turn out to be meant.
        const count = await source.read(into.subarray(1));
        if (count === null) {
          onDetach();
          return null;
        }
        let kept = 0;
        for (const byte of into.slice(1, count + 1)) {
          if (escaped && byte === Q) {
            ended = true;
            break;
          }
          if (byte === CTRL_A && !escaped) {
            escaped = true;
            continue;
          }
          if (escaped && byte !== CTRL_A) into[kept++] = CTRL_A;
          escaped = false;
          into[kept++] = byte;
        }
        if (ended) onDetach();
        if (kept > 0) return kept;
      }
    },
  };
}
