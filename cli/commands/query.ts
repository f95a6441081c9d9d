/** query: one raw call of the API. */
import type { Envelope, OperationObject } from "#api/envelope.ts";
import { ClientError } from "#api/client.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import { toJson } from "#cli/output/json.ts";

export const QUERY_COMMANDS: readonly Command[] = [
  command({
    name: "query",
    usage: "[<remote>:]<API path>",
    summary: "Send a raw query to LXD",
    examples: [{
      call: "lxc query -X DELETE --wait /1.0/instances/c1",
      what: 'Delete local instance "c1".',
    }],
    flags: {
      data: { kind: "string", short: "d", summary: "Input data" },
      raw: { kind: "bool", summary: "Print the raw response" },
      request: {
        kind: "string",
        short: "X",
        default: "GET",
        summary: "Action (defaults to GET)",
      },
      wait: { kind: "bool", summary: "Wait for the operation to complete" },
    },
    args: [1, 1],
    async run(context, [label = ""], { data, raw, request, wait }) {
      if (context.options.project !== "") {
        throw new UsageError("--project cannot be used with the query command");
      }
      const { name: url, client: ofRemote } = context.resource(label);
      if (!url.startsWith("/")) throw new UsageError("Query path must start with /");
      const client = ofRemote.inProject(undefined);
      const reply = await client.raw(request, url, bodyOf(data));
      const text = await reply.text();
      const envelope = parseReply(text);
      if (envelope === undefined) return context.out.text(text);
      if (envelope.type === "error") throw new ClientError(reply.status, envelope.error);
      let { metadata } = envelope;
      if (wait && envelope.operation) {
        metadata = await client.wait(metadata as OperationObject);
      }
      const shown = raw ? envelope : metadata;
      if (shown === null || isEmpty(shown)) return;
      const inOrder = raw ? JSON.stringify(shown, null, "\t") : toJson(shown, undefined, "\t");
      context.out.text(`${inOrder}\n\n`);
    },
  }),
];

/** JSON is sent as it is; any other text as a JSON text, as LXD does. */
function bodyOf(data: string) {
  if (data === "") return {};
  const headers = { "Content-Type": "application/json" };
  return { headers, body: isJson(data) ? data : JSON.stringify(data) };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // Ignored: that is the answer.
  }
}

function parseReply(text: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isEnvelope = typeof value === "object" && value !== null && "type" in value &&
        "metadata" in value || isError(value);
    return isEnvelope ? value as Envelope : undefined;
  } catch {
    return undefined; // Ignored: a file, printed as it is.
  }
}

const isError = (value: unknown) =>
  typeof value === "object" && value !== null && "type" in value && value.type === "error";

const isEmpty = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value) &&
  Object.keys(value).length === 0;
