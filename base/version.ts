/** The version of this program, and the LXD whose API it serves. */
export const VERSION = "0.1.0";
export const LXD_COMPAT_VERSION = "5.0.2";
