/** Files and logs of instances: rows of /1.0/instances/{name}/files, sftp and logs. */
import { route } from "#api/route.ts";
import { object, optional, string } from "#api/schema.ts";

const one = "/1.0/instances/{name}";

const fileQuery = object({ path: optional(string()) });
export const getInstanceFiles = route({
  method: "GET",
  path: `${one}/files`,
  summary: "Read a file or list a directory of an instance",
  access: "trusted",
  reply: "raw",
  query: fileQuery,
});
export const headInstanceFiles = route({
  method: "HEAD",
  path: `${one}/files`,
  summary: "Show owner, mode and type of a file of an instance",
  access: "trusted",
  reply: "raw",
  query: fileQuery,
  extension: "instance_file_head",
});
export const postInstanceFiles = route({
  method: "POST",
  path: `${one}/files`,
  summary: "Write a file, make a directory or a symbolic link in an instance",
  access: "trusted",
  reply: "sync",
  query: fileQuery,
  stream: true,
});
export const deleteInstanceFiles = route({
  method: "DELETE",
  path: `${one}/files`,
  summary: "Delete a file or an empty directory of an instance",
  access: "trusted",
  reply: "sync",
  query: fileQuery,
  extension: "file_delete",
});
export const getInstanceSftp = route({
  method: "GET",
  path: `${one}/sftp`,
  summary: "Speak SFTP with the file server of an instance, after an upgrade to `sftp`",
  access: "trusted",
  reply: "upgrade",
});
export const getInstanceLogs = route({
  method: "GET",
  path: `${one}/logs`,
  summary: "List the log files of an instance",
  access: "trusted",
  reply: "sync",
});
export const getInstanceLog = route({
  method: "GET",
  path: `${one}/logs/{file}`,
  summary: "Read a log file of an instance",
  access: "trusted",
  reply: "raw",
});
export const deleteInstanceLog = route({
  method: "DELETE",
  path: `${one}/logs/{file}`,
  summary: "Delete a log file of an instance",
  access: "trusted",
  reply: "sync",
});
