/** Product files as the public image servers lay them out, cut down to what is read of them. */

const HASH = (letter: string) => letter.repeat(64);

/** cloud-images: long product names, several root files, a label, no variant. */
export const CLOUD_IMAGES = {
  content_id: "com.ubuntu.cloud:released:download",
  datatype: "image-downloads",
  format: "products:1.0",
  products: {
    "com.ubuntu.cloud:server:16.04:amd64": {
      aliases: "16.04,x,xenial,lts,default",
      arch: "amd64",
      os: "ubuntu",
      release: "xenial",
      release_codename: "Xenial Xerus",
      release_title: "16.04 LTS",
      support_eol: "2021-04-30",
      supported: true,
      version: "16.04",
      versions: {
        "20200101": {
          label: "release",
          pubname: "ubuntu-xenial-16.04-amd64-server-20200101",
          items: {
            "lxd.tar.xz": {
              ftype: "lxd.tar.xz",
              path: "server/releases/xenial/release-20200101/lxd.tar.xz",
              sha256: HASH("1"),
              size: 500,
              combined_squashfs_sha256: HASH("a"),
              combined_rootxz_sha256: HASH("b"),
              "combined_disk1-img_sha256": HASH("c"),
            },
            squashfs: {
              ftype: "squashfs",
              path: "server/releases/xenial/release-20200101/x.squashfs",
              sha256: HASH("2"),
              size: 1500,
            },
            "root.tar.xz": {
              ftype: "root.tar.xz",
              path: "server/releases/xenial/release-20200101/x-root.tar.xz",
              sha256: HASH("3"),
              size: 2500,
            },
            "disk1.img": {
              ftype: "disk1.img",
              path: "server/releases/xenial/release-20200101/x-disk1.img",
              sha256: HASH("4"),
              size: 3500,
            },
            manifest: { ftype: "manifest", path: "x.manifest", sha256: HASH("5"), size: 1 },
          },
        },
        "20210928": {
          label: "release",
          items: {
            "lxd.tar.xz": {
              ftype: "lxd.tar.xz",
              path: "server/releases/xenial/release-20210928/lxd.tar.xz",
              sha256: HASH("6"),
              size: 500,
              combined_squashfs_sha256: HASH("d"),
            },
            squashfs: {
              ftype: "squashfs",
              path: "server/releases/xenial/release-20210928/x.squashfs",
              sha256: HASH("7"),
              size: 1500,
            },
          },
        },
      },
    },
    "com.ubuntu.cloud:server:16.04:arm64": {
      aliases: "16.04,x,xenial,lts,default",
      arch: "arm64",
      os: "ubuntu",
      release: "xenial",
      release_title: "16.04 LTS",
      version: "16.04",
      versions: {
        "20210928": {
          label: "release",
          items: {
            "lxd.tar.xz": {
              ftype: "lxd.tar.xz",
              path: "server/releases/xenial/release-20210928/arm.tar.xz",
              sha256: HASH("8"),
              size: 500,
              combined_squashfs_sha256: HASH("e"),
            },
            squashfs: {
              ftype: "squashfs",
              path: "server/releases/xenial/release-20210928/arm.squashfs",
              sha256: HASH("9"),
              size: 1500,
            },
          },
        },
      },
    },
  },
};

/** linuxcontainers.org: short product names, variants, serials with a time, combined_sha256. */
export const CONTAINER_IMAGES = {
  content_id: "images",
  datatype: "image-downloads",
  format: "products:1.0",
  products: {
    "debian:bookworm:amd64:cloud": {
      aliases: "debian/bookworm/cloud,debian/12/cloud",
      arch: "amd64",
      os: "Debian",
      release: "bookworm",
      release_title: "bookworm",
      variant: "cloud",
      lxd_requirements: { secureboot: "false" },
      versions: {
        "20231201_05:24": {
          items: {
            "lxd.tar.xz": {
              ftype: "lxd.tar.xz",
              path: "images/debian/bookworm/amd64/cloud/20231201_05:24/lxd.tar.xz",
              sha256: HASH("0"),
              size: 600,
              combined_sha256: HASH("f"),
              combined_rootxz_sha256: HASH("f"),
            },
            "root.tar.xz": {
              ftype: "root.tar.xz",
              path: "images/debian/bookworm/amd64/cloud/20231201_05:24/rootfs.tar.xz",
              sha256: HASH("1"),
              size: 1600,
            },
          },
        },
      },
    },
  },
};

export const INDEX = {
  format: "index:1.0",
  index: {
    images: {
      datatype: "image-downloads",
      path: "streams/v1/images.json",
      format: "products:1.0",
      products: ["debian:bookworm:amd64:cloud"],
    },
    empty: { datatype: "image-downloads", path: "streams/v1/empty.json", products: [] },
    ids: { datatype: "image-ids", path: "streams/v1/ids.json", products: ["a"] },
  },
};
