/** Which proxy leads to a URL, by the usual environment variables or the server's keys. Pure. */

export interface ProxySettings {
  /** For https URLs. */
  readonly https: string;
  readonly http: string;
  /** Hosts to reach without: "localhost,.example.com,10.0.0.0/8,*". */
  readonly ignoreHosts: string;
}

export const NO_PROXY: ProxySettings = { https: "", http: "", ignoreHosts: "" };

/** As Go programs read them: upper case wins over lower, what is unset is "". */
export function proxyFromEnv(env: (name: string) => string | undefined): ProxySettings {
  const either = (name: string) => env(name) || env(name.toLowerCase()) || "";
  return {
    https: either("HTTPS_PROXY"),
    http: either("HTTP_PROXY"),
    ignoreHosts: either("NO_PROXY"),
  };
}

/** undefined: none. @throws if the proxy's address is no http or https URL. */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const text = url.protocol === "https:" ? settings.https || settings.http : settings.http;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (text === "" || host === "localhost" || isLoopback(host)) return undefined;
  if (settings.ignoreHosts.split(",").some((one) => matches(host, one.trim()))) return undefined;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(address) || !/^https?:/i.test(address)) {
    throw new Error(`invalid proxy address "${text}": want http://HOST:PORT`);
  }
  return new URL(address);
}

const isLoopback = (host: string) => host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);

function matches(host: string, rule: string): boolean {
  if (rule === "") return false;
  if (rule === "*") return true;
  const [network = "", bits] = rule.split("/");
  if (bits !== undefined) return inNetwork(host, network, Number(bits));
  const name = rule.replace(/^\*?\./, "").replace(/:\d+$/, "").toLowerCase();
  return host.toLowerCase() === name || host.toLowerCase().endsWith(`.${name}`);
}

function inNetwork(host: string, network: string, bits: number): boolean {
  const [a, b] = [ipv4(host), ipv4(network)];
  if (a === undefined || b === undefined || !(bits >= 0 && bits <= 32)) return false;
  const size = 2 ** (32 - bits);
  return Math.floor(a / size) === Math.floor(b / size);
}

function ipv4(text: string): number | undefined {
  const parts = text.split(".").map(Number);
  const isAddress = parts.length === 4 && parts.every((one) => one >= 0 && one <= 255);
  return isAddress ? parts.reduce((sum, one) => sum * 256 + one, 0) : undefined;
}
