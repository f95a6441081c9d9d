/** operation: what the server does in the background. */
import type { OperationObject } from "#api/envelope.ts";
import { type Command, command, FORMAT_FLAG, group } from "#cli/command.ts";
import { path } from "#cli/context.ts";
import { shape } from "#cli/output/shape.ts";
import { sortRows } from "#cli/output/sort.ts";
import { render } from "#cli/output/table.ts";
import { shortTime } from "#cli/output/time.ts";
import { toYaml } from "#cli/output/yaml.ts";

const OPERATION = "[<remote>:]<operation>";

export const OPERATION_COMMANDS: readonly Command[] = [
  group("operation", "List, show and delete background operations"),
  command({
    name: "operation delete",
    usage: OPERATION,
    summary: "Delete a background operation (will attempt to cancel)",
    aliases: ["cancel", "rm"],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      await client.send("DELETE", path("operations", name));
      context.out.say(`Operation ${name} deleted`);
    },
  }),
  command({
    name: "operation list",
    usage: "[<remote>:]",
    summary: "List background operations",
    aliases: ["ls"],
    flags: FORMAT_FLAG,
    args: [0, 1],
    async run(context, [label = ""], { format }) {
      const { client } = context.resource(label);
      const byStatus = await client.get<Record<string, OperationObject[]>>("/1.0/operations", {
        query: { recursion: 1 },
      });
      const operations = Object.values(byStatus).flat();
      const rows = operations.map((one) => [
        one.id,
        one.class.toUpperCase(),
        one.description,
        one.status.toUpperCase(),
        one.may_cancel ? "YES" : "NO",
        shortTime(one.created_at, true),
      ]);
      context.out.text(render({
        header: ["ID", "TYPE", "DESCRIPTION", "STATUS", "CANCELABLE", "CREATED"],
        rows: sortRows(rows),
        data: operations,
        shape: shape("operation"),
      }, format));
    },
  }),
  command({
    name: "operation show",
    usage: OPERATION,
    summary: "Show details on a background operation",
    examples: [{
      call: "lxc operation show 344a79e4-d88a-45bf-9c39-c72c26f6ab8a",
      what: "Show details on that operation UUID",
    }],
    args: [1, 1],
    async run(context, [label = ""]) {
      const { client, name } = context.resource(label);
      const operation = await client.get<OperationObject>(path("operations", name));
      context.out.text(toYaml(operation, shape("operation")));
    },
  }),
];
