"""A day's work with pylxd: endpoint or "local", folder of client.crt, client.key and server.crt, image, name."""
import os
import sys

# They would win over what is said below.
for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(variable, None)

import pylxd

endpoint, folder, image, name = sys.argv[1:5]
if endpoint == "local":
    client = pylxd.Client()
else:
    pair = (f"{folder}/client.crt", f"{folder}/client.key")
    client = pylxd.Client(endpoint=endpoint, cert=pair, verify=f"{folder}/server.crt")


def expect(what, wanted, got):
    if wanted != got:
        sys.exit(f"{what}: expected {wanted!r}, got {got!r}")


expect("auth", "trusted", client.host_info["auth"])
expect("images", [image], [one.fingerprint for one in client.images.all()])
expect("alias", image, client.images.get_by_alias("tiny").fingerprint)
expect("profiles", ["default", "docker"], [one.name for one in client.profiles.all()])

instance = client.containers.create(
    {
        "name": name,
        "source": {"type": "image", "alias": "tiny"},
        "config": {"user.made": "by pylxd"},
    },
    wait=True,
)
expect("status", "Stopped", instance.status)
expect("config", "by pylxd", instance.config["user.made"])
instance.config["user.more"] = "yes"
instance.save(wait=True)
expect("saved", "yes", client.containers.get(name).config["user.more"])

instance.start(wait=True)
instance.sync()
expect("started", "Running", instance.status)
result = instance.execute(["sh", "-c", "echo out; echo err >&2; exit 3"])
expect("exec", (3, "out\n", "err\n"), tuple(result))
expect("environment", "b\n", instance.execute(["sh", "-c", "echo $A"], environment={"A": "b"})[1])

instance.files.put("/tmp/file", b"\x00content\xff", mode=0o640)
expect("file", b"\x00content\xff", instance.files.get("/tmp/file"))
expect("mode", "640\n", instance.execute(["stat", "-c", "%a", "/tmp/file"])[1])
instance.files.delete("/tmp/file")
expect("deleted", 1, instance.execute(["test", "-e", "/tmp/file"])[0])

snapshot = instance.snapshots.create("before", stateful=False, wait=True)
expect("snapshots", ["before"], [one.name for one in instance.snapshots.all()])
snapshot.rename("after", wait=True)
instance.stop(force=True, wait=True)
instance.restore_snapshot("after", wait=True)

published = instance.publish(public=False, wait=True)
expect("published", published.fingerprint, client.images.get(published.fingerprint).fingerprint)
published.add_alias("mine", "published by pylxd")
expect("exported", True, len(published.export().read()) > 0)
published.delete(wait=True)

instance.snapshots.get("after").delete(wait=True)
instance.rename(f"{name}-b", wait=True)
client.containers.get(f"{name}-b").delete(wait=True)
expect("left", [], [one.name for one in client.containers.all()])
print("done")
