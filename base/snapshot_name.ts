/** "web/snap0" in arguments and requests: a thing and a snapshot of it. Pure. */
export function splitSnapshot(
  text: string,
): { readonly name: string; readonly snapshot: string | undefined } {
  const slash = text.indexOf("/");
  if (slash < 0) return { name: text, snapshot: undefined };
  // What is behind a second slash belongs to it: another snapshot must not be meant.
  return { name: text.slice(0, slash), snapshot: text.slice(slash + 1) };
}
