/** How much longer than on the host things may take: tests/vm sets it for its slow machines. */
export const SLOWNESS = Number(Deno.env.get("LXD_TEST_SLOWNESS") ?? "1");
