/** lxd image build: an image of a distribution, made by the server out of its mirror. */
import { type Command, command } from "#cli/command.ts";

export const IMAGE_BUILD: Command = command({
  name: "image build",
  usage: "<recipe> [<remote>:]",
  summary: "Build an image from a distribution's mirror",
  description: `Recipes are debian/12, debian/13, ubuntu/<release> and busybox. The server makes
the image, with debootstrap from the mirror that its own apt uses or from that of
--mirror; busybox needs none. An Ubuntu image wants a mirror and its keyring (on
Debian: package ubuntu-keyring). --package adds one of the distribution, with all
that it depends on.`,
  examples: [
    {
      call: "lxd image build debian/12 --alias debian",
      what: "Debian 12, to be launched as debian",
    },
    {
      call: "lxd image build ubuntu/jammy --mirror <URL> " +
        "--keyring /usr/share/keyrings/ubuntu-archive-keyring.gpg",
      what: "Ubuntu 22.04",
    },
    {
      call: "lxd image build debian/12 --alias docker --package docker.io",
      what: "Debian with Docker: lxc launch docker c1 -p default -p docker",
    },
  ],
  flags: {
    alias: { kind: "list", summary: "Name for the image" },
    keyring: { kind: "string", summary: "Keyring of the mirror, a file on the server" },
    mirror: { kind: "string", summary: "URL of the mirror" },
    package: { kind: "list", summary: "Package that the image shall have too" },
    public: { kind: "bool", summary: "Make image public" },
  },
  args: [1, 2],
  async run(context, [recipe = "", remote = ""], flags) {
    const { client } = context.resource(remote);
    const { metadata } = await context.operate(client, "POST", "/1.0/images", {
      title: "Building the image",
      json: {
        public: flags.public,
        aliases: flags.alias.map((name) => ({ name, description: "" })),
        source: {
          ...{ type: "build", alias: recipe, server: flags.mirror, keyring: flags.keyring },
          ...flags.package.length > 0 && { packages: flags.package },
        },
      },
    });
    context.out.line(`Image built with fingerprint: ${metadata?.fingerprint ?? ""}`);
  },
});
