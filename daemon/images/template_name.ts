const NAME_BYTES = 255;

/** File names below templates/: one path component, nothing that climbs. */
export function isTemplateName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) &&
    new TextEncoder().encode(name).length <= NAME_BYTES;
}
