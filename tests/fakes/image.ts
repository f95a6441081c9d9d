/** The smallest image that is one. */
import { archive } from "./tar.ts";

export function emptyImage(description = "An image of nothing"): Uint8Array<ArrayBuffer> {
  return archive([
    {
      name: "metadata.yaml",
      body: "architecture: x86_64\ncreation_date: 1700000000\nexpiry_date: 1900000000\n" +
        `properties: {os: Nothing, description: ${description}}\n`,
    },
    { name: "rootfs/", type: "5" },
  ]);
}
