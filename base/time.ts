/** RFC 3339 as Go writes it, so that scripts find what they compare: no fraction of zeros. */
export function wireTime(date: Date): string {
  return date.toISOString().replace(/\.?0+Z$/, "Z");
}
