/** lxd activateifneeded: start a socket-activated daemon if there is work for it. */
import type { DatabaseSync } from "node:sqlite";
import { type Command, command } from "#cli/command.ts";

export const ACTIVATE_COMMANDS: readonly Command[] = [
  command({
    name: "activateifneeded",
    only: "lxd",
    usage: "",
    summary: "Check if LXD should be started",
    description: "If the daemon listens on the network, has instances to start or snapshots to " +
      "make by a\nschedule, one connection to its socket lets the service manager start it.",
    args: [0, 0],
    async run(context) {
      const reason = activationReason(Deno.env.get("LXD_DIR") || "/var/lib/lxd");
      const say = (text: string) => context.options.debug && context.out.error(text);
      if (reason === undefined) {
        say("No need to start the daemon now");
        return;
      }
      say(`Daemon has ${reason}, activating...`);
      await context.client("local").get("/1.0");
    },
  }),
];

/** Why the daemon should run; undefined if nothing waits for it (or it never ran). */
function activationReason(directory: string): string | undefined {
  const inLocal = withDatabase(
    `${directory}/database/local.db`,
    (db) =>
      has(db, "SELECT 1 FROM config WHERE key = 'core.https_address' AND value != ''")
        ? "core.https_address set"
        : undefined,
  );
  return inLocal ?? withDatabase(`${directory}/database/global/db.bin`, (db) => {
    const isStarted = isSet(db, "boot.autostart", "IN ('true', '1', 'yes', 'on')");
    const wasRunning = isSet(db, "volatile.last_state.power", "= 'running'");
    if (isStarted || wasRunning) return "auto-started instances";
    if (isSet(db, "snapshots.schedule", "!= ''")) return "scheduled instance snapshots";
    const onVolume =
      "SELECT 1 FROM storage_volumes_config WHERE key = 'snapshots.schedule' AND value != ''";
    return has(db, onVolume) ? "scheduled volume snapshots" : undefined;
  });
}

const has = (db: DatabaseSync, sql: string) => db.prepare(sql).get() !== undefined;

/** Has an instance this value, of its own or of the last of its profiles that has the key? */
function isSet(db: DatabaseSync, key: string, condition: string): boolean {
  return has(
    db,
    `SELECT 1 FROM instances AS i WHERE lower(coalesce(
       (SELECT value FROM instances_config WHERE instance_id = i.id AND key = '${key}'),
       (SELECT c.value FROM profiles_config AS c
          JOIN instances_profiles AS p ON p.profile_id = c.profile_id
          WHERE p.instance_id = i.id AND c.key = '${key}' ORDER BY p.apply_order DESC LIMIT 1),
       '')) ${condition}`,
  );
}

/** The runtime's SQLite is fetched here only: no other command of the client needs it. */
function withDatabase<T>(path: string, read: (db: DatabaseSync) => T): T | undefined {
  try {
    Deno.statSync(path);
  } catch {
    return undefined; // Ignored: the daemon never ran.
  }
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return read(db);
  } finally {
    db.close();
  }
}
