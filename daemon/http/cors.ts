/** Headers by which browsers let pages of other origins use the API. Pure. @see the Fetch standard */

export type CorsSettings = Readonly<Record<string, string>>;

/** @param config The server's configuration. @param origin Of the request's header; undefined: none. */
export function corsHeaders(
  config: CorsSettings,
  origin: string | undefined,
): Record<string, string> {
  if (origin === undefined || origin === "") return {};
  const headers: Record<string, string> = {};
  const set = (name: string, key: string) => {
    const value = config[key] ?? "";
    if (value !== "") headers[name] = value;
  };
  set("Access-Control-Allow-Origin", "core.https_allowed_origin");
  set("Access-Control-Allow-Methods", "core.https_allowed_methods");
  set("Access-Control-Allow-Headers", "core.https_allowed_headers");
  if (/^(true|1|yes|on)$/i.test(config["core.https_allowed_credentials"] ?? "")) {
    headers["Access-Control-Allow-Credentials"] = "true";
  }
  return headers;
}
