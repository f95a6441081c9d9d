/** lxd image tree and serve: an image server of one's own, as files. */
import { fingerprintOf, fromPem, selfSigned } from "#base/x509.ts";
import { addressBytes } from "#base/ip.ts";
import { type Command, command, UsageError } from "#cli/command.ts";
import type { Context } from "#cli/context.ts";
import { imageOf } from "./lookup.ts";

export const TREE_COMMANDS: readonly Command[] = [
  command({
    name: "image tree",
    only: "lxd",
    usage: "<directory> [[<remote>:]<image>...]",
    summary: "Add images to a directory that serves as an image server",
    description: `Add images to a directory that serves as an image server

The directory becomes a simplestreams tree that every LXD and Incus can use as a
remote, from any web server with TLS or from \`lxd image serve\`. Product and
version come from the properties os, release, variant and serial of an image.
Without an image only old versions are removed (--keep).

--mirror names another place of the same tree. Where a download breaks off there it
goes on; others than this program do not look at it.`,
    examples: [
      { call: "lxd image tree /srv/images debian", what: "Add the local image debian" },
      { call: "lxd image tree /srv/images --keep 3", what: "Keep three versions of each product" },
    ],
    flags: {
      alias: { kind: "list", summary: "Another name for the images" },
      keep: { kind: "int", default: 0, summary: "Versions to keep of each product (0: all)" },
      mirror: { kind: "list", summary: "URL of a copy of the directory, instead of those before" },
    },
    args: [1, Infinity],
    async run(context, [directory = "", ...labels], { alias, keep, mirror }) {
      for (const url of mirror) {
        if (!url.startsWith("https://")) throw new UsageError(`--mirror ${url}: want https://...`);
      }
      const images = [];
      for (const label of labels) {
        const { client, fingerprint } = await imageOf(context, label);
        images.push({ client, fingerprint });
      }
      const part = await context.program.loadDaemon();
      const say = (text: string) => context.out.say(text);
      await part.imageTree({ directory, images, aliases: alias, keep, mirrors: mirror, say });
    },
  }),
  command({
    name: "image serve",
    only: "lxd",
    usage: "<directory>",
    summary: "Serve a directory of images over TLS",
    description: `Serve a directory of images over TLS, until ctrl+c

Without --certificate and --key a certificate is made once and kept beside the
client's files. Clients must trust it: add image-server.crt to their system's
authorities, or name it in SSL_CERT_FILE.`,
    flags: {
      address: { kind: "string", default: ":8443", summary: "Address to listen on" },
      certificate: { kind: "string", summary: "File with the certificate (PEM)" },
      key: { kind: "string", summary: "File with its key (PEM)" },
      name: { kind: "list", summary: "Host name or address for a new certificate" },
    },
    args: [1, 1],
    async run(context, [directory = ""], { address, certificate, key, name }) {
      if ((certificate === "") !== (key === "")) {
        throw new UsageError("--certificate and --key belong together");
      }
      const pair = certificate === "" ? await ownCertificate(context, name) : {
        certificatePem: Deno.readTextFileSync(certificate),
        keyPem: Deno.readTextFileSync(key),
      };
      const fingerprint = await fingerprintOf(fromPem(pair.certificatePem));
      context.out.say(`Certificate fingerprint: ${fingerprint}`);
      const part = await context.program.loadDaemon();
      await part.imageServe({
        directory,
        address,
        ...pair,
        say: (text) => context.out.say(text),
        log: (line) => context.out.error(line),
      });
    },
  }),
];

async function ownCertificate(context: Context, names: readonly string[]) {
  const { directory } = context.config;
  const [certificate, key] = [`${directory}/image-server.crt`, `${directory}/image-server.key`];
  try {
    if (names.length === 0) {
      return {
        certificatePem: Deno.readTextFileSync(certificate),
        keyPem: Deno.readTextFileSync(key),
      };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const hostname = Deno.hostname();
  const all = [hostname, "localhost", "127.0.0.1", "::1", ...names];
  const pair = await selfSigned({
    kind: "server",
    commonName: hostname,
    dnsNames: all.filter((one) => addressBytes(one) === undefined),
    addresses: all.map(addressBytes).filter((one) => one !== undefined),
  });
  Deno.mkdirSync(directory, { recursive: true, mode: 0o750 });
  Deno.writeTextFileSync(key, pair.keyPem, { mode: 0o600 });
  Deno.writeTextFileSync(certificate, pair.certificatePem, { mode: 0o644 });
  return pair;
}
