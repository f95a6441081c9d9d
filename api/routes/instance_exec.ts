/** Programs in instances: rows and bodies of /1.0/instances/{name}/exec and console. */
import { route } from "#api/route.ts";
import {
  array,
  boolean,
  configMap,
  type Infer,
  integer,
  object,
  optional,
  string,
} from "#api/schema.ts";

export const InstanceExecPost = object({
  command: array(string()),
  "wait-for-websocket": optional(boolean()),
  interactive: optional(boolean()),
  environment: optional(configMap()),
  width: optional(integer()),
  height: optional(integer()),
  "record-output": optional(boolean()),
  user: optional(integer({ min: 0 })),
  group: optional(integer({ min: 0 })),
  cwd: optional(string()),
});
export type InstanceExecPost = Infer<typeof InstanceExecPost>;

export const InstanceConsolePost = object({
  width: optional(integer()),
  height: optional(integer()),
  type: optional(string()),
});
export type InstanceConsolePost = Infer<typeof InstanceConsolePost>;

const one = "/1.0/instances/{name}";

export const postInstanceExec = route({
  method: "POST",
  path: `${one}/exec`,
  summary: "Run a command in an instance",
  access: "trusted",
  reply: "operation",
  body: InstanceExecPost,
});
export const getInstanceExec = route({
  method: "GET",
  path: `${one}/exec`,
  summary: "Run a command in an instance, all of it on the websocket that this address becomes",
  access: "trusted",
  reply: "upgrade",
  extension: "instance_exec_stream",
});
export const postInstanceConsole = route({
  method: "POST",
  path: `${one}/console`,
  summary: "Attach to the console of an instance",
  access: "trusted",
  reply: "operation",
  body: InstanceConsolePost,
  extension: "console",
});
export const getInstanceConsole = route({
  method: "GET",
  path: `${one}/console`,
  summary: "Read the console log of an instance",
  access: "trusted",
  reply: "raw",
});
export const deleteInstanceConsole = route({
  method: "DELETE",
  path: `${one}/console`,
  summary: "Clear the console log of an instance",
  access: "trusted",
  reply: "sync",
});
