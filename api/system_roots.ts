/**
 * The authorities that the system trusts, as PEM. The runtime's built-in ones would refuse an
 * authority that an administrator added. SSL_CERT_FILE and SSL_CERT_DIR win, as with other programs.
 */

const FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** undefined if the system has none: then the runtime's own count. */
export function systemRoots(
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string[] | undefined {
  const file = env("SSL_CERT_FILE");
  const directories = env("SSL_CERT_DIR")?.split(":").filter((one) => one !== "") ?? [];
  const files = file ? [file] : FILES;
  const texts = files.map(readText).filter((text) => text !== undefined).slice(0, 1);
  for (const directory of directories) {
    for (const name of namesIn(directory)) {
      const text = readText(`${directory}/${name}`);
      if (text !== undefined) texts.push(text);
    }
  }
  const blocks = new Set(texts.flatMap((text) => text.match(BLOCK) ?? []));
  return blocks.size === 0 && !file && directories.length === 0 ? undefined : [...blocks];
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // Ignored: another place has them, or nobody is trusted.
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return []; // Ignored: as a missing file.
  }
}
