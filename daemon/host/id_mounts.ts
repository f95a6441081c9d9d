/** LXD's switch in the environment of the daemon: do without idmapped mounts. */
export function areIdMountsOff(): boolean {
  return (Deno.env.get("LXD_IDMAPPED_MOUNTS_DISABLE") ?? "") !== "";
}
