/** Row types of all tables, with LXD's table and column names. Replaced by the migration's owner. */
// deno-lint-ignore no-empty-interface
export interface Tables {}
