/** The server itself: /, /1.0, resources, cluster, warnings, internal routes. */
import { route } from "#api/route.ts";
import {
  array,
  boolean,
  configMap,
  type Infer,
  map,
  object,
  optional,
  string,
  unknown,
} from "#api/schema.ts";

export const ServerPut = object({ config: optional(map(unknown())) }, {
  ignored: [
    "api_extensions",
    "api_status",
    "api_version",
    "auth",
    "auth_methods",
    "public",
    "environment",
  ],
});
export type ServerPut = Infer<typeof ServerPut>;

export const getRoot = route({
  method: "GET",
  path: "/",
  summary: "List API versions",
  access: "anyone",
  reply: "sync",
});
export const getServer = route({
  method: "GET",
  path: "/1.0",
  summary: "Show the server; untrusted callers see its public part",
  access: "anyone",
  reply: "sync",
});
export const putServer = route({
  method: "PUT",
  path: "/1.0",
  summary: "Replace the server configuration",
  access: "admin",
  reply: "sync",
  body: ServerPut,
});
export const patchServer = route({
  method: "PATCH",
  path: "/1.0",
  summary: "Change some of the server configuration",
  access: "admin",
  reply: "sync",
  body: ServerPut,
  extension: "patch",
});
export const getResources = route({
  method: "GET",
  path: "/1.0/resources",
  summary: "Show the hardware of the host",
  access: "trusted",
  reply: "sync",
  extension: "resources",
});
export const getCluster = route({
  method: "GET",
  path: "/1.0/cluster",
  summary: "Show the cluster: this server is not part of one",
  access: "trusted",
  reply: "sync",
  extension: "clustering",
});
export const getMetrics = route({
  method: "GET",
  path: "/1.0/metrics",
  summary: "Metrics of running instances, for Prometheus",
  access: "metrics",
  reply: "raw",
  extension: "metrics",
});
export const internalReady = route({
  method: "GET",
  path: "/internal/ready",
  summary: "Answer once the daemon is ready",
  access: "local",
  reply: "sync",
});
export const internalShutdown = route({
  method: "PUT",
  path: "/internal/shutdown",
  summary: "Stop all instances and then the daemon",
  access: "local",
  reply: "sync",
  query: object({ force: optional(string()) }),
});
export const internalGc = route({
  method: "GET",
  path: "/internal/gc",
  summary: "Collect garbage",
  access: "local",
  reply: "sync",
});
export const internalSqlGet = route({
  method: "GET",
  path: "/internal/sql",
  summary: "Dump a database or its schema",
  access: "local",
  reply: "sync",
  query: object({ database: optional(string()), schema: optional(string()) }),
});
export const internalSqlPost = route({
  method: "POST",
  path: "/internal/sql",
  summary: "Run SQL",
  access: "local",
  reply: "sync",
  body: object({ database: string(), query: string() }),
});
/** Pools as `POST /1.0/storage-pools` takes them; those that are known go by their names. */
const recoverBody = object({
  pools: array(object({
    name: string(),
    driver: string(),
    description: optional(string()),
    config: optional(configMap()),
  })),
});
export const internalRecoverValidate = route({
  method: "POST",
  path: "/internal/recover/validate",
  summary: "Find volumes on storage pools that are not in the database, and what they lack",
  access: "local",
  reply: "sync",
  body: recoverBody,
});
export const internalRecoverImport = route({
  ...internalRecoverValidate,
  path: "/internal/recover/import",
  summary: "Make the records of volumes that are not in the database",
});

export const CertificatesPost = object({
  name: optional(string()),
  type: optional(string()),
  restricted: optional(boolean()),
  projects: optional(array(string())),
  certificate: optional(string()),
  password: optional(string()),
  token: optional(boolean()),
});
export const CertificatePut = object({
  name: optional(string()),
  type: optional(string()),
  restricted: optional(boolean()),
  projects: optional(array(string())),
  certificate: optional(string()),
}, { ignored: ["fingerprint"] });

const certificate = "/1.0/certificates/{fingerprint}";
export const getCertificates = route({
  method: "GET",
  path: "/1.0/certificates",
  summary: "List trusted certificates",
  access: "trusted",
  reply: "sync",
});
export const postCertificates = route({
  method: "POST",
  path: "/1.0/certificates",
  summary:
    "Trust a certificate or make a token; untrusted callers need a token or the trust password",
  access: "anyone",
  reply: "sync",
  body: CertificatesPost,
});
export const getCertificate = route({
  method: "GET",
  path: certificate,
  summary: "Show a trusted certificate",
  access: "trusted",
  reply: "sync",
});
export const putCertificate = route({
  method: "PUT",
  path: certificate,
  summary: "Change a trusted certificate; others than administrators only renew their own",
  access: "trusted",
  reply: "sync",
  body: CertificatePut,
  extension: "certificate_update",
});
export const patchCertificate = route({ ...putCertificate, method: "PATCH" });
export const deleteCertificate = route({
  method: "DELETE",
  path: certificate,
  summary: "Trust a certificate no longer; others than administrators only their own",
  access: "trusted",
  reply: "sync",
});

export const ProjectPut = object({
  config: optional(configMap()),
  description: optional(string()),
}, { ignored: ["name", "used_by"] });
export const ProjectsPost = object({
  name: string(),
  config: optional(configMap()),
  description: optional(string()),
}, { ignored: ["used_by"] });
const project = "/1.0/projects/{name}";
export const getProjects = route({
  method: "GET",
  path: "/1.0/projects",
  summary: "List projects",
  access: "trusted",
  reply: "sync",
  extension: "projects",
});
export const postProjects = route({
  method: "POST",
  path: "/1.0/projects",
  summary: "Create a project",
  access: "admin",
  reply: "sync",
  body: ProjectsPost,
});
export const getProject = route({
  method: "GET",
  path: project,
  summary: "Show a project",
  access: "trusted",
  reply: "sync",
});
export const putProject = route({
  method: "PUT",
  path: project,
  summary: "Replace the configuration of a project",
  access: "admin",
  reply: "sync",
  body: ProjectPut,
});
export const patchProject = route({ ...putProject, method: "PATCH" });
export const postProject = route({
  method: "POST",
  path: project,
  summary: "Rename a project",
  access: "admin",
  reply: "operation",
  body: object({ name: string() }),
});
export const deleteProject = route({
  method: "DELETE",
  path: project,
  summary: "Delete an empty project",
  access: "admin",
  reply: "sync",
});
export const getProjectState = route({
  method: "GET",
  path: `${project}/state`,
  summary: "Show what a project uses of its limits",
  access: "trusted",
  reply: "sync",
  extension: "project_usage",
});
