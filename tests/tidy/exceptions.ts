/** Exceptions from the rules, each with its reason. One that is no longer needed fails the test. */

/** Files of more than FILE_LINES_MAX lines. */
export const LONG_FILES: Readonly<Record<string, string>> = {
  "daemon/db/schema.ts": "one text: the tables, with LXD's names",
};

/** "file: function" of more than FUNCTION_LINES_MAX lines. */
export const LONG_FUNCTIONS: Readonly<Record<string, string>> = {
  "daemon/main.ts: serve": "the order of start-up and of its unwinding, in one place",
};

/** "file: construct" of the table CONSTRUCTS. */
export const CONSTRUCTS_HERE: Readonly<Record<string, string>> = {
  "api/client.ts: JSON.parse() as": "the shape is looked at in the next line",
  "daemon/http/websocket.ts: setInterval":
    "pings are wanted by the clock: they keep idle links open",
  "daemon/host/links.ts: JSON.parse() as": "the output of ip(8) is an interface of its own",
};

/** "file -> import" across folders or storeys. */
export const IMPORTS: Readonly<Record<string, string>> = {
  "daemon/db/instances.ts -> daemon/instances/expand.ts": "pure: profiles and config, merged",
  "daemon/db/instances_snapshots.ts -> daemon/instances/expand.ts": "pure, as above",
  "daemon/devices/nic/names.ts -> daemon/networks/auto_subnet.ts":
    "pure: a random hardware address",
  "daemon/images/import.ts -> daemon/http/list.ts": "the project in an URL of the API",
  "daemon/images/remove.ts -> daemon/http/list.ts": "the project in an URL of the API",
  "daemon/instances/context.ts -> daemon/http/list.ts": "the project in an URL of the API",
  "daemon/operations/event_bus.ts -> daemon/http/caller.ts": "who may see an event",
  "daemon/operations/registry.ts -> daemon/http/caller.ts": "who may see an operation",
  "daemon/operations/registry.ts -> daemon/http/render.ts":
    "the text of a failure as clients read it",
};

/** Modules of node that the client's start pays for. "file: module". */
export const NODE_IMPORTS: Readonly<Record<string, string>> = {};

/** npm packages that more than one file of the product imports. */
export const SHARED_PACKAGES: Readonly<Record<string, string>> = {};

/** Files that nothing of the product imports. */
export const ORPHANS: Readonly<Record<string, string>> = {
  "daemon/http/bufferutil.ts": "tools/link gives it to ws in place of the package of that name",
};

/** "file: name" that is exported, and that no other file imports. */
export const EXPORTS: Readonly<Record<string, string>> = {};

/** Tests that api/extensions.ts names and that are still to be written. */
export const TESTS_TO_COME: Readonly<Record<string, string>> = {};
