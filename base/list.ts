/** Lists in configuration values. Pure. */

/** "a, b" -> ["a", "b"] */
export function listOf(value: string | undefined): string[] {
  return (value ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "");
}
