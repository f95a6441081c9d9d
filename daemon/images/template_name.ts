/** File names below templates/: one path component, nothing that climbs. */
export function isTemplateName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/") &&
    !name.includes("\0");
}
