/** What an instance has from its image: metadata.yaml and templates/ beside its root. */
import {
  deleteInstanceTemplate,
  getInstanceMetadata,
  getInstanceTemplates,
  type InstanceMetadata,
  patchInstanceMetadata,
  postInstanceTemplate,
  putInstanceMetadata,
} from "#api/routes/instance_metadata.ts";
import { formatYaml } from "#api/yaml.ts";
import type { HostPath } from "#base/brand.ts";
import { ERRNO, Fault, isErrno } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { entries, readIfThere } from "#daemon/host/files.ts";
import { readBody } from "#daemon/http/body.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { projectSuffix } from "#daemon/http/list.ts";
import { sendFile } from "#daemon/http/send_file.ts";
import { type ImageMetadata, parseInstanceMetadata } from "#daemon/images/metadata.ts";
import { isTemplateName } from "#daemon/images/template_name.ts";
import type { FoundInstance } from "#daemon/instances/running.ts";
import type { Services } from "#daemon/services.ts";
import { O, openAt, openPath } from "#ffi/libc/fd.ts";

export default [
  handle(getInstanceMetadata, async (services, { params, query, caller }) => {
    const found = await services.instances.running.find(query.project, params.name);
    const metadata = await read(services, found);
    announce(services, { found, caller, action: "metadata-retrieved" });
    return sync(metadata, { etag: metadata });
  }),
  handle(putInstanceMetadata, async (services, { params, query, body, caller, ifMatch }) => {
    const found = await services.instances.running.find(query.project, params.name);
    ifMatch(await read(services, found));
    await write(services, found, body);
    announce(services, { found, caller, action: "metadata-updated" });
    return sync();
  }),
  handle(patchInstanceMetadata, async (services, { params, query, body, caller, ifMatch }) => {
    const found = await services.instances.running.find(query.project, params.name);
    const before = await read(services, found);
    ifMatch(before);
    await write(services, found, {
      ...before,
      ...body,
      properties: { ...before.properties, ...body.properties },
      templates: { ...before.templates, ...body.templates },
    });
    announce(services, { found, caller, action: "metadata-updated" });
    return sync();
  }),
  handle(getInstanceTemplates, async (services, { params, query, caller }) => {
    const found = await services.instances.running.find(query.project, params.name);
    const folder = `${directoryOf(services, found)}/templates`;
    if (query.path === undefined || query.path === "") return sync(await entries(folder));
    const name = checkName(query.path);
    return {
      kind: "raw",
      send: async (response) => {
        await sendFile(response, `${folder}/${name}`, { missing: `Template "${name}" not found` });
        announce(services, { found, caller, action: "metadata-template-retrieved", path: name });
      },
    };
  }),
  handle(postInstanceTemplate, async (services, { params, query, request, caller }) => {
    const name = checkName(query.path);
    const found = await services.instances.running.find(query.project, params.name);
    const text = await readBody(request, LIMITS.imageMetadataBytes);
    const folder = `${directoryOf(services, found)}/templates`;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await replaceFile(folder, name, text);
    announce(services, { found, caller, action: "metadata-template-created", path: name });
    return sync();
  }),
  handle(deleteInstanceTemplate, async (services, { params, query, caller }) => {
    const name = checkName(query.path);
    const found = await services.instances.running.find(query.project, params.name);
    try {
      await Deno.remove(`${directoryOf(services, found)}/templates/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Fault("not_found", `Template "${name}" not found`, { cause: error });
    }
    announce(services, { found, caller, action: "metadata-template-deleted", path: name });
    return sync();
  }),
] satisfies BoundRoute[];

function directoryOf(services: Services, { volume }: FoundInstance): HostPath {
  return services.storage.instances.directory(volume);
}

function checkName(path: string | undefined): string {
  if (path === undefined || path === "") throw new Fault("bad_request", "missing path argument");
  if (!isTemplateName(path)) throw new Fault("bad_request", "Invalid template filename");
  return path;
}

async function read(services: Services, found: FoundInstance): Promise<InstanceMetadata> {
  const path = `${directoryOf(services, found)}/metadata.yaml`;
  const text = await readIfThere(path);
  if (text !== undefined) return render(parseInstanceMetadata(text));
  return { architecture: "", creation_date: 0, expiry_date: 0, properties: {}, templates: {} };
}

function render(metadata: ImageMetadata): InstanceMetadata {
  const templates: NonNullable<InstanceMetadata["templates"]> = {};
  for (const [path, one] of Object.entries(metadata.templates)) {
    templates[path] = {
      when: [...one.when],
      create_only: one.createOnly,
      template: one.template,
      properties: { ...one.properties },
    };
  }
  return {
    architecture: metadata.architecture,
    creation_date: metadata.creationDate,
    expiry_date: metadata.expiryDate,
    properties: { ...metadata.properties },
    templates,
  };
}

/** @throws {Fault} bad_request for what the next start could not use. */
async function write(
  services: Services,
  found: FoundInstance,
  metadata: InstanceMetadata,
): Promise<void> {
  const text = formatYaml(metadata);
  parseInstanceMetadata(text);
  await replaceFile(directoryOf(services, found), "metadata.yaml", text);
}

/** The old contents or the new ones, never half of them; a link is replaced, not followed. */
async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  using held = openFolder(folder);
  const temporary = `.${crypto.randomUUID()}`;
  openAt(held.fd, temporary, O.WRONLY | O.CREAT | O.EXCL, 0o600)[Symbol.dispose]();
  const inside = `/proc/self/fd/${held.fd}`;
  try {
    await Deno.writeTextFile(`${inside}/${temporary}`, text, { mode: 0o600 });
    await Deno.rename(`${inside}/${temporary}`, `${inside}/${name}`);
  } catch (error) {
    await Deno.remove(`${inside}/${temporary}`)
      .catch(() => undefined); // Ignored: the failure above is the one to tell.
    throw error;
  }
}

function openFolder(folder: string) {
  try {
    return openPath(folder, O.PATH | O.DIRECTORY | O.NOFOLLOW);
  } catch (error) {
    if (!isErrno(error, ERRNO.ENOTDIR, ERRNO.ELOOP)) throw error;
    throw new Fault("bad_request", `"${folder}" is no directory`, { cause: error });
  }
}

function announce(
  services: Services,
  event: {
    readonly found: FoundInstance;
    readonly caller: Caller;
    readonly action: string;
    readonly path?: string;
  },
): void {
  const { project, name } = event.found.record;
  services.events.lifecycle({
    action: `instance-${event.action}`,
    source: `/1.0/instances/${name}/${
      event.path === undefined ? "metadata" : "metadata/templates"
    }${projectSuffix(project)}`,
    project,
    caller: event.caller,
    ...event.path !== undefined && { context: { path: event.path } },
  });
}
