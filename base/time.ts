/** RFC 3339 as Go writes it, so that scripts find what they compare: no fraction of zeros. */
export function wireTime(date: Date): string {
  return trimmedTime(date.toISOString());
}

/** "10:20:30.900Z" -> "10:20:30.9Z", of a time that is text already. */
export function trimmedTime(text: string): string {
  return text.replace(/\.(\d*?)0+Z$/, (_, digits) => digits === "" ? "Z" : `.${digits}Z`);
}
