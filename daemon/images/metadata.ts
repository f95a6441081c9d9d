/** metadata.yaml of an image: what LXD requires of it. Pure. @see LXD doc/image-handling.md */
import { Fault } from "#base/errors.ts";
import { isTemplateName } from "./template_name.ts";
import { parseYaml } from "#api/yaml.ts";

export interface ImageTemplate {
  readonly when: readonly string[];
  readonly createOnly: boolean;
  readonly template: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface ImageMetadata {
  readonly architecture: string;
  /** Seconds since 1970. */
  readonly creationDate: number;
  /** Seconds since 1970; 0: never. */
  readonly expiryDate: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly templates: Readonly<Record<string, ImageTemplate>>;
}

/** Of an image. @throws {Fault} bad_request naming what is missing or wrong. */
export function parseMetadata(text: string): ImageMetadata {
  const metadata = parseInstanceMetadata(text);
  if (metadata.architecture === "") throw invalid("metadata.yaml names no architecture");
  if (metadata.creationDate <= 0) throw invalid("metadata.yaml has no creation_date");
  return metadata;
}

/**
 * Of an instance, which may lack what an image must say: it is known otherwise, or is new in what is
 * published of it.
 *
 * @throws {Fault} bad_request naming what is wrong.
 */
export function parseInstanceMetadata(text: string): ImageMetadata {
  let raw: unknown;
  try {
    raw = parseYaml(text);
  } catch (error) {
    throw new Fault("bad_request", "invalid image: metadata.yaml is not valid YAML", {
      cause: error,
    });
  }
  if (!isRecord(raw)) throw invalid("metadata.yaml is not a map");
  const architecture = raw["architecture"];
  return {
    architecture: typeof architecture === "string" ? architecture : "",
    creationDate: seconds(raw["creation_date"]),
    expiryDate: seconds(raw["expiry_date"]),
    properties: stringMap(raw["properties"]),
    templates: parseTemplates(raw["templates"]),
  };
}

function seconds(raw: unknown): number {
  const value = Number(raw ?? 0);
  return Number.isFinite(value) ? Math.floor(value) : 0;
}

function parseTemplates(raw: unknown): Record<string, ImageTemplate> {
  const templates: Record<string, ImageTemplate> = {};
  if (!isRecord(raw)) return templates;
  for (const [path, value] of Object.entries(raw)) {
    if (!isRecord(value)) throw invalid(`template "${path}" is not a map`);
    const template = String(value["template"] ?? "");
    if (!isTemplateName(template)) {
      throw invalid(`template "${path}" has the bad name "${template}"`);
    }
    const when = Array.isArray(value["when"]) ? value["when"].map(String) : [];
    templates[path] = {
      when,
      createOnly: value["create_only"] === true || value["create_only"] === "true",
      template,
      properties: stringMap(value["properties"]),
    };
  }
  return templates;
}

function stringMap(raw: unknown): Record<string, string> {
  if (!isRecord(raw)) return {};
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [key, value === null ? "" : String(value)]),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(why: string): Fault {
  return new Fault("bad_request", `invalid image: ${why}`);
}
