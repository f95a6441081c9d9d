/** Mirrors of image servers, as the server's configuration names them. Pure. */

/**
 * Mirrors of each server in "SERVER=MIRROR[,MIRROR...] ..." (blanks or newlines between), all of
 * them https URLs without a slash at their end. @throws if it is none.
 */
export function parseMirrors(text: string): ReadonlyMap<string, readonly string[]> {
  const mirrors = new Map<string, readonly string[]>();
  for (const entry of text.split(/\s+/).filter((one) => one !== "")) {
    const [server = "", ...rest] = entry.split("=");
    const urls = rest.join("=").split(",").map(mirrorUrl);
    mirrors.set(mirrorUrl(server), [...mirrors.get(mirrorUrl(server)) ?? [], ...urls]);
  }
  return mirrors;
}

/** @throws unless it is an https URL. */
function mirrorUrl(text: string): string {
  if (!text.startsWith("https://") || !URL.canParse(text)) {
    throw new Error(`invalid URL "${text}": want https://SERVER=https://MIRROR[,https://MIRROR]`);
  }
  return text.replace(/\/+$/, "");
}
