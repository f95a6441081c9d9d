/** An image at an URL, as `lxc image import URL` takes it: the reply's headers say where and what. */
import { LXD_COMPAT_VERSION } from "#base/version.ts";
import { hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { createHash } from "node:crypto";
import { fetchFile } from "./file.ts";
import type { RemoteHttp } from "./http.ts";
import type { RemoteImage, RemoteServer } from "./source.ts";

/** `find` throws bad_request if the reply lacks a header; `unavailable` if nobody answers. */
export function directServer(http: RemoteHttp): RemoteServer {
  return {
    async find({ server }, { architecture, signal }): Promise<RemoteImage> {
      const reply = await http.request(server, {
        method: "HEAD",
        headers: {
          "LXD-Server-Architectures": architecture,
          "LXD-Server-Version": LXD_COMPAT_VERSION,
        },
        signal,
      });
      reply.cancel();
      const fingerprint = (reply.headers["lxd-image-hash"] ?? "").toLowerCase();
      const target = reply.headers["lxd-image-url"] ?? "";
      if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
        throw new Fault("bad_request", "Missing LXD-Image-Hash header", {
          hint: "The server at that URL must answer with LXD-Image-Hash and LXD-Image-URL.",
        });
      }
      if (target === "") throw new Fault("bad_request", "Missing LXD-Image-URL header");
      const url = new URL(target, server).href;
      const filename = new URL(url).pathname.split("/").at(-1) ?? "";
      return {
        fingerprint,
        properties: {},
        filename,
        size: 0,
        expiresAt: undefined,
        aliases: [],
        async download(directory, options) {
          const meta = hostPath(`${directory}/meta`);
          const { size } = await fetchFile(http, {
            urls: [url],
            path: meta,
            sha256: fingerprint,
            size: 0,
            signal: options.signal,
            progress: (bytes, total) => options.progress("rootfs", bytes, total),
          }, createHash("sha256"));
          return { fingerprint, meta, rootfs: undefined, size, filename };
        },
      };
    },
  };
}
