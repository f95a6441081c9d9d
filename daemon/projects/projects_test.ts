import assert from "node:assert/strict";
import type { Configured, ProjectContent } from "./content.ts";
import { checkLimits, imageBudget, usageOf } from "./limits.ts";
import { checkRestrictions, refuseVolatile } from "./restrictions.ts";
import { isNetworkAllowed, refusedDevice } from "./restricted_devices.ts";

function instance(name: string, config: Record<string, string> = {}, size = ""): Configured {
  const root = { type: "disk", path: "/", pool: "p", ...(size === "" ? {} : { size }) };
  return { name, config, devices: { root } };
}

function content(
  config: Record<string, string>,
  instances: Configured[] = [],
): ProjectContent {
  return {
    project: { name: "p1", config },
    instances,
    profiles: [],
    volumes: [],
    networks: 0,
    imageBytes: 0,
  };
}

Deno.test("checkLimits() counts instances", () => {
  const two = [instance("a"), instance("b")];

  checkLimits(content({ "limits.containers": "2" }, two));
  assert.throws(() => checkLimits(content({ "limits.containers": "1" }, two)), /Reached maximum/);
  assert.throws(() => checkLimits(content({ "limits.containers": "1" }, two), "limit"), /too low/);
});

Deno.test("checkLimits() sums up memory and wants a number of each instance", () => {
  const one = instance("a", { "limits.memory": "1GB" });
  const limit = { "limits.memory": "3GB" };

  checkLimits(content(limit, [one, instance("b", { "limits.memory": "2GB" })]));
  for (const value of ["", "10%", "4GB"]) {
    const other = instance("b", value === "" ? {} : { "limits.memory": value });
    assert.throws(() => checkLimits(content(limit, [one, other])), value);
  }
});

Deno.test("checkLimits() refuses pinned CPUs where their number is limited", () => {
  const pinned = instance("a", { "limits.cpu": "0,1" });

  assert.throws(() => checkLimits(content({ "limits.cpu": "4" }, [pinned])), /pinning/);
});

Deno.test("checkLimits() adds root disks and volumes, each with a size", () => {
  const limited = content({ "limits.disk": "200MB" }, [instance("a", {}, "100MB")]);
  const volumes = (size: number | undefined) => ({ ...limited, volumes: [{ name: "v", size }] });

  checkLimits(volumes(100_000_000));
  assert.throws(() => checkLimits(volumes(100_000_001)), /aggregate/);
  assert.throws(() => checkLimits(volumes(undefined)), /no "size"/);
  assert.equal(imageBudget(volumes(50_000_000)), 50_000_000);
});

Deno.test("usageOf() shows what is used beside what is allowed", () => {
  const usage = usageOf(content({ "limits.cpu": "5" }, [instance("a", { "limits.cpu": "1" })]));

  assert.deepEqual(usage["cpu"], { Limit: 5, Usage: 1 });
  assert.deepEqual(usage["memory"], { Limit: -1, Usage: 0 });
});

Deno.test("checkRestrictions() looks at nothing unless the project is restricted", () => {
  checkRestrictions(content({}, [instance("a", { "security.privileged": "true" })]));
});

Deno.test("checkRestrictions() refuses what reaches out of the container", () => {
  const keys: Record<string, string> = {
    "raw.idmap": "both 0 0",
    "raw.lxc": "lxc.x = y",
    "security.nesting": "true",
    "security.privileged": "true",
    "security.syscalls.intercept.mknod": "true",
  };

  for (const [key, value] of Object.entries(keys)) {
    const restricted = content({ restricted: "true" }, [instance("a", { [key]: value })]);
    assert.throws(() => checkRestrictions(restricted), /forbidden/, key);
  }
});

Deno.test("checkRestrictions() lets raw.idmap map the ids that the project names", () => {
  const project = {
    restricted: "true",
    "restricted.idmap.uid": "1000-1010",
    "restricted.idmap.gid": "1000",
  };
  const mapping = (value: string) => content(project, [instance("a", { "raw.idmap": value })]);

  checkRestrictions(mapping("both 1000 1000"));
  assert.throws(() => checkRestrictions(mapping("both 1005 1000")), /forbidden/);
});

Deno.test("refuseVolatile() keeps volatile keys from the users of a restricted project", () => {
  const project = { name: "p1", config: { restricted: "true" } };

  refuseVolatile(project, ["user.x"]);
  assert.throws(() => refuseVolatile(project, ["volatile.eth0.host_name"]), /volatile/);
});

Deno.test("refusedDevice() follows the restriction of its type", () => {
  const allowed = (config: Record<string, string>, device: Record<string, string>) =>
    refusedDevice({ restricted: "true", ...config }, device) === undefined;

  assert.equal(allowed({}, { type: "unix-char" }), false);
  assert.equal(allowed({ "restricted.devices.unix-char": "allow" }, { type: "unix-char" }), true);
  assert.equal(allowed({}, { type: "nic", network: "br0" }), true);
  assert.equal(allowed({}, { type: "nic", nictype: "p2p" }), false);
  assert.equal(allowed({}, { type: "disk", path: "/x", source: "/etc" }), false);
  assert.equal(allowed({}, { type: "disk", path: "/x", pool: "p", source: "v" }), true);
  const paths = {
    "restricted.devices.disk": "allow",
    "restricted.devices.disk.paths": "/srv/a",
  };
  assert.equal(allowed(paths, { type: "disk", path: "/x", source: "/srv/a/b" }), true);
  assert.equal(allowed(paths, { type: "disk", path: "/x", source: "/srv/a/../b" }), false);
  assert.equal(allowed(paths, { type: "disk", path: "/x", source: "/srv/ab" }), false);
});

Deno.test("isNetworkAllowed() hides networks that the project does not name", () => {
  const project = { restricted: "true", "restricted.networks.access": "br0" };

  assert.equal(isNetworkAllowed(project, { name: "br0", isManaged: true }), true);
  assert.equal(isNetworkAllowed(project, { name: "br1", isManaged: true }), false);
  assert.equal(isNetworkAllowed(project, { name: "br0", isManaged: false }), false);
});
