/** URLs that say who asks: https://LOGIN:PASSWORD@HOST/PATH. Pure. */

/** The header by which a server knows who asks; none without a login. */
export function loginHeaders(url: string): Readonly<Record<string, string>> {
  const { username, password } = new URL(url);
  if (username === "" && password === "") return {};
  const bytes = new TextEncoder().encode(
    `${decodeURIComponent(username)}:${decodeURIComponent(password)}`,
  );
  return { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** As it may be shown to everybody. */
export function withoutLogin(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1");
}
