/** lxd sql: the databases by hand. */
import { type Command, command, UsageError } from "#cli/command.ts";
import { type SqlResult, sqlText } from "#cli/output/sql.ts";
import { readStdin } from "#cli/stdin.ts";

export const SQL_COMMANDS: readonly Command[] = [
  command({
    name: "sql",
    only: "lxd",
    usage: "<local|global> <query>",
    summary: "Execute a SQL query against the LXD local or global database",
    description:
      'The local database has what belongs to this machine, the global one all else.\nThe query "-" ' +
      'is read from standard input; ".dump" writes a database as SQL text,\n".schema" only its ' +
      'schema, and ".sync" brings everything into the database file.\n\n' +
      "It is there for debugging and for mending what is broken: nothing checks what you change.",
    args: [2, 2],
    async run(context, [database = "", given = ""]) {
      if (database !== "local" && database !== "global") {
        throw new UsageError("Invalid database type");
      }
      const query = given === "-" ? readStdin() : given;
      if (query === "") throw new UsageError("No query provided");
      const client = context.client("local");
      if (query === ".dump" || query === ".schema") {
        const { text } = await client.get<{ text: string }>("/internal/sql", {
          query: { database, schema: query === ".schema" ? 1 : 0 },
        });
        return context.out.text(text.endsWith("\n") ? text : `${text}\n`);
      }
      const isSync = query === ".sync";
      const { metadata } = await client.send<{ results: SqlResult[] }>("POST", "/internal/sql", {
        json: { database, query: isSync ? "PRAGMA wal_checkpoint(TRUNCATE)" : query },
      });
      if (!isSync) context.out.text(sqlText(metadata.results));
    },
  }),
];
