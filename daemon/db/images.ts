/** Images and aliases in the database. */
import { Fault } from "#base/errors.ts";
import { integer, type Row, text, type Tx } from "./db.ts";

export interface ImageRow {
  readonly id: number;
  readonly projectId: number;
  readonly fingerprint: string;
  readonly filename: string;
  readonly size: number;
  readonly isPublic: boolean;
  readonly architecture: number;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly uploadedAt: string;
  readonly isCached: boolean;
  readonly lastUsedAt: string;
  readonly autoUpdate: boolean;
  readonly properties: Readonly<Record<string, string>>;
  readonly profiles: readonly string[];
  readonly aliases: readonly { readonly name: string; readonly description: string }[];
  /** From where it is refreshed. */
  readonly source: ImageSourceRow | undefined;
}

export interface ImageSourceRow {
  readonly server: string;
  /** 0 lxd, 1 direct, 2 simplestreams */
  readonly protocol: number;
  readonly certificate: string;
  readonly alias: string;
}

export interface AliasRow {
  readonly name: string;
  readonly description: string;
  readonly target: string;
  readonly imageId: number;
}

function toImage(row: Row): Omit<ImageRow, "properties" | "profiles" | "aliases" | "source"> {
  return {
    id: integer(row, "id"),
    projectId: integer(row, "project_id"),
    fingerprint: text(row, "fingerprint"),
    filename: text(row, "filename"),
    size: integer(row, "size"),
    isPublic: integer(row, "public") === 1,
    architecture: integer(row, "architecture"),
    createdAt: text(row, "creation_date"),
    expiresAt: text(row, "expiry_date"),
    uploadedAt: text(row, "upload_date"),
    isCached: integer(row, "cached") === 1,
    lastUsedAt: text(row, "last_use_date"),
    autoUpdate: integer(row, "auto_update") === 1,
  };
}

/** Oldest first, each with its properties, aliases and profiles. Cost: four queries for each image. */
export async function listImages(tx: Tx, projectId: number): Promise<ImageRow[]> {
  const rows = await tx.all("SELECT * FROM images WHERE project_id = ? ORDER BY id", projectId);
  const images: ImageRow[] = [];
  for (const row of rows) {
    const id = integer(row, "id");
    const properties = await tx.all(
      "SELECT key, value FROM images_properties WHERE image_id = ? ORDER BY key",
      id,
    );
    const aliases = await tx.all(
      "SELECT name, description FROM images_aliases WHERE image_id = ? ORDER BY name",
      id,
    );
    const profiles = await tx.all(
      "SELECT p.name FROM profiles p JOIN images_profiles i ON i.profile_id = p.id " +
        "WHERE i.image_id = ? ORDER BY p.name",
      id,
    );
    const source = await tx.get("SELECT * FROM images_source WHERE image_id = ? LIMIT 1", id);
    images.push({
      ...toImage(row),
      source: source === undefined ? undefined : {
        server: text(source, "server"),
        protocol: integer(source, "protocol"),
        certificate: text(source, "certificate"),
        alias: text(source, "alias"),
      },
      properties: Object.fromEntries(
        properties.map((one) => [text(one, "key"), text(one, "value")]),
      ),
      aliases: aliases.map((one) => ({
        name: text(one, "name"),
        description: text(one, "description"),
      })),
      profiles: profiles.map((one) => text(one, "name")),
    });
  }
  return images;
}

/** Of all projects. */
export async function listAllImages(tx: Tx): Promise<(ImageRow & { project: string })[]> {
  const projects = await tx.all("SELECT id, name FROM projects ORDER BY id");
  const images = [];
  for (const row of projects) {
    const project = text(row, "name");
    for (const image of await listImages(tx, integer(row, "id"))) {
      images.push({ ...image, project });
    }
  }
  return images;
}

/** The newest that came from there. */
export async function findSourceImage(
  tx: Tx,
  projectId: number,
  { server, protocol, alias }: ImageSourceRow,
): Promise<{ fingerprint: string; size: number } | undefined> {
  const row = await tx.get(
    "SELECT i.fingerprint, i.size FROM images i JOIN images_source s ON s.image_id = i.id " +
      "WHERE i.project_id = ? AND s.server = ? AND s.protocol = ? AND s.alias = ? " +
      "ORDER BY i.id DESC LIMIT 1",
    projectId,
    server,
    protocol,
    alias,
  );
  if (row === undefined) return undefined;
  return { fingerprint: text(row, "fingerprint"), size: integer(row, "size") };
}

/** It is used now: the clock that removes cached images starts anew. */
export async function touchImage(tx: Tx, projectId: number, fingerprint: string): Promise<void> {
  await tx.run(
    "UPDATE images SET last_use_date = ? WHERE project_id = ? AND fingerprint = ?",
    new Date().toISOString(),
    projectId,
    fingerprint,
  );
}

/** Let `next` stand for `image`: the aliases mean it now, and it is cached and used as that was. */
export async function moveImage(
  tx: Tx,
  image: ImageRow,
  next: { fingerprint: string; isNew: boolean },
): Promise<void> {
  const row = await tx.get(
    "SELECT id FROM images WHERE project_id = ? AND fingerprint = ?",
    image.projectId,
    next.fingerprint,
  );
  if (row === undefined) throw new Fault("not_found", "Image not found");
  const id = integer(row, "id");
  await tx.run("UPDATE images_aliases SET image_id = ? WHERE image_id = ?", id, image.id);
  if (!next.isNew) return;
  await tx.run(
    "UPDATE images SET cached = ?, last_use_date = ? WHERE id = ?",
    Number(image.isCached),
    image.lastUsedAt || null,
    id,
  );
}

/** By fingerprint or unique prefix. @throws {Fault} not_found, bad_request (ambiguous) */
export async function getImage(tx: Tx, projectId: number, prefix: string): Promise<ImageRow> {
  const isHex = /^[0-9a-f]+$/.test(prefix);
  const rows = isHex
    ? await tx.all(
      "SELECT id FROM images WHERE project_id = ? AND substr(fingerprint, 1, ?) = ?",
      projectId,
      prefix.length,
      prefix,
    )
    : [];
  if (rows.length > 1) {
    throw new Fault("bad_request", `More than one image matches the fingerprint "${prefix}"`, {
      hint: "Give more digits.",
    });
  }
  const [row] = rows;
  if (row === undefined) throw new Fault("not_found", "Image not found");
  const found = (await listImages(tx, projectId)).find(({ id }) => id === integer(row, "id"));
  if (found === undefined) throw new Fault("not_found", "Image not found");
  return found;
}

/** undefined if the project has none of that name. */
export async function findAlias(
  tx: Tx,
  projectId: number,
  name: string,
): Promise<AliasRow | undefined> {
  return (await listAliases(tx, projectId)).find((alias) => alias.name === name);
}

/** By name; `target` is the whole fingerprint. */
export async function listAliases(tx: Tx, projectId: number): Promise<AliasRow[]> {
  const rows = await tx.all(
    "SELECT a.name, a.description, a.image_id, i.fingerprint FROM images_aliases a " +
      "JOIN images i ON i.id = a.image_id WHERE a.project_id = ? ORDER BY a.name",
    projectId,
  );
  return rows.map((row) => ({
    name: text(row, "name"),
    description: text(row, "description"),
    target: text(row, "fingerprint"),
    imageId: integer(row, "image_id"),
  }));
}

export interface NewImage {
  readonly projectId: number;
  readonly fingerprint: string;
  readonly filename: string;
  readonly size: number;
  readonly isPublic: boolean;
  readonly autoUpdate: boolean;
  readonly architecture: number;
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly profiles: readonly string[];
  readonly isCached?: boolean;
  readonly source?: ImageSourceRow;
}

/** @returns its id. @throws {Fault} conflict if the project has an image of that fingerprint. */
export async function insertImage(tx: Tx, image: NewImage): Promise<number> {
  const { lastId } = await tx.run(
    "INSERT INTO images (project_id, fingerprint, filename, size, public, auto_update, architecture, " +
      "creation_date, expiry_date, upload_date, cached, last_use_date) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    image.projectId,
    image.fingerprint,
    image.filename,
    image.size,
    Number(image.isPublic),
    Number(image.autoUpdate),
    image.architecture,
    image.createdAt.toISOString(),
    image.expiresAt?.toISOString() ?? null,
    new Date().toISOString(),
    Number(image.isCached ?? false),
    image.isCached ? new Date().toISOString() : null,
  );
  await tx.run("INSERT INTO images_nodes (image_id, node_id) VALUES (?, 1)", lastId);
  if (image.source !== undefined) await writeSource(tx, lastId, image.source);
  await writeProperties(tx, lastId, image.properties);
  await writeImageProfiles(tx, lastId, image.projectId, image.profiles);
  return lastId;
}

async function writeSource(tx: Tx, id: number, source: ImageSourceRow): Promise<void> {
  await tx.run("DELETE FROM images_source WHERE image_id = ?", id);
  await tx.run(
    "INSERT INTO images_source (image_id, server, protocol, certificate, alias) " +
      "VALUES (?, ?, ?, ?, ?)",
    id,
    source.server,
    source.protocol,
    source.certificate,
    source.alias,
  );
}

/** Replaces all that were there. */
export async function writeProperties(
  tx: Tx,
  id: number,
  properties: Readonly<Record<string, string>>,
): Promise<void> {
  await tx.run("DELETE FROM images_properties WHERE image_id = ?", id);
  for (const [key, value] of Object.entries(properties)) {
    await tx.run(
      "INSERT INTO images_properties (image_id, type, key, value) VALUES (?, 0, ?, ?)",
      id,
      key,
      value,
    );
  }
}

/** @throws {Fault} not_found for an unknown profile */
export async function writeImageProfiles(
  tx: Tx,
  id: number,
  projectId: number,
  profiles: readonly string[],
): Promise<void> {
  await tx.run("DELETE FROM images_profiles WHERE image_id = ?", id);
  for (const name of profiles) {
    const { changes } = await tx.run(
      "INSERT INTO images_profiles (image_id, profile_id) " +
        "SELECT ?, id FROM profiles WHERE name = ? AND project_id IN (?, 1) LIMIT 1",
      id,
      name,
      projectId,
    );
    if (changes === 0) throw new Fault("not_found", `Profile "${name}" not found`);
  }
}

/** @throws {Fault} conflict */
export async function insertAlias(
  tx: Tx,
  projectId: number,
  alias: { name: string; description: string; imageId: number },
): Promise<void> {
  if (await findAlias(tx, projectId, alias.name) !== undefined) {
    throw new Fault("conflict", `Alias "${alias.name}" already exists`);
  }
  await tx.run(
    "INSERT INTO images_aliases (project_id, name, description, image_id) VALUES (?, ?, ?, ?)",
    projectId,
    alias.name,
    alias.description,
    alias.imageId,
  );
}
