/** The libc wrappers on the real kernel. Needs root. */
import assert from "node:assert/strict";
import { type Fd, guestPath, hostPath, pid } from "#base/brand.ts";
import { SysError } from "#base/errors.ts";
import { processEnd } from "#ffi/libc/exit_watch.ts";
import { fdStream, O, openPath, OwnedFd, pipe } from "#ffi/libc/fd.ts";
import { changeOwnerAt, makeDirectoryAt, openInRoot, openParent } from "#ffi/libc/in_root.ts";
import { libc } from "#ffi/libc/open.ts";
import { peerCredentials } from "#ffi/libc/peer.ts";
import { openPidfd, reap, signalPidfd, spawn } from "#ffi/libc/process.ts";
import { openPty, setWindowSize } from "#ffi/libc/pty.ts";
import { openDescriptors, readAll, temporaryDirectory } from "./ffi_support.ts";

const SIGTERM = 15;
const nothing = [null, null, null] as const;

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SysError && error.code === code;
}

/** A descriptor numbered at least `lowest`. */
function duplicateAbove(source: Fd, lowest: number): OwnedFd {
  const F_DUPFD_CLOEXEC = 1030;
  return new OwnedFd(libc().fcntl(source, F_DUPFD_CLOEXEC, BigInt(lowest)));
}

Deno.test("spawn() gives the child its descriptors, arguments and environment", () => {
  using stack = new DisposableStack();
  const out = pipe();
  stack.use(out.reader);

  const child = spawn(["/bin/sh", "-c", 'echo "$A $*"; env', "sh", "x y"], {
    fds: [null, out.writer.fd, null],
    env: { A: "b" },
  });
  out.writer[Symbol.dispose]();

  assert.match(readAll(out.reader.fd), /^b x y\nPWD=.*\nA=b\n$|^b x y\nA=b\nPWD=.*\n$/);
  assert.deepEqual(reap(child), { kind: "exit", code: 0 });
});

Deno.test("spawn() survives sources that are the targets of others", () => {
  using stack = new DisposableStack();
  const [out, err] = [pipe(), pipe()];
  for (const { reader, writer } of [out, err]) stack.use(reader) && stack.use(writer);
  const high = stack.use(duplicateAbove(out.writer.fd, 20));
  const higher = stack.use(duplicateAbove(err.writer.fd, 21));

  const child = spawn(["/bin/sh", "-c", "echo out; echo err >&2"], {
    fds: [null, high.fd, higher.fd],
  });
  for (const owned of [high, higher, out.writer, err.writer]) owned[Symbol.dispose]();

  assert.equal(readAll(out.reader.fd), "out\n");
  assert.equal(readAll(err.reader.fd), "err\n");
  reap(child);
});

Deno.test("spawn() survives sources with high numbers in any order", () => {
  using stack = new DisposableStack();
  const [out, err] = [pipe(), pipe()];
  for (const { reader, writer } of [out, err]) stack.use(reader) && stack.use(writer);
  const higher = stack.use(duplicateAbove(out.writer.fd, 101));
  const high = stack.use(duplicateAbove(err.writer.fd, 100));

  const child = spawn(["/bin/sh", "-c", "echo out; echo err >&2"], {
    fds: [null, higher.fd, high.fd],
  });
  for (const owned of [high, higher, out.writer, err.writer]) owned[Symbol.dispose]();

  assert.equal(readAll(out.reader.fd), "out\n");
  assert.equal(readAll(err.reader.fd), "err\n");
  reap(child);
});

Deno.test("spawn() lets nothing through that lacks O_CLOEXEC", () => {
  using stack = new DisposableStack();
  const out = pipe();
  stack.use(out.reader);
  const F_DUPFD = 0;
  stack.use(new OwnedFd(libc().fcntl(out.reader.fd, F_DUPFD, 60n)));

  const child = spawn(["/bin/ls", "/proc/self/fd"], { fds: [null, out.writer.fd, null] });
  out.writer[Symbol.dispose]();

  assert.equal(readAll(out.reader.fd), "0\n1\n2\n3\n"); // 3 is the listing itself.
  reap(child);
});

Deno.test("spawn() throws ENOENT when the program is missing", () => {
  assert.throws(() => spawn(["/nonexistent"], { fds: nothing }), isCode("ENOENT"));
});

Deno.test("spawn() gives default signals and an empty mask", () => {
  using stack = new DisposableStack();
  const out = pipe();
  stack.use(out.reader);

  const child = spawn(["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], {
    fds: [null, out.writer.fd, null],
  });
  out.writer[Symbol.dispose]();

  assert.equal(readAll(out.reader.fd).replace(/\s+/g, " "), `SigBlk: ${NONE} SigIgn: ${NONE} `);
  reap(child);
});

const NONE = "0".repeat(16);

Deno.test("reap() tells the exit code", () => {
  const child = spawn(["/bin/sh", "-c", "exit 7"], { fds: nothing });

  assert.deepEqual(reap(child), { kind: "exit", code: 7 });
});

Deno.test("reap() throws for a process that is not a child", () => {
  assert.throws(() => reap(pid(Deno.pid)), isCode("ECHILD"));
});

Deno.test("signalPidfd() kills exactly that process and tells when it is gone", () => {
  const child = spawn(["/bin/sleep", "60"], { fds: nothing });
  using pidfd = openPidfd(child);

  assert.equal(signalPidfd(pidfd.fd, SIGTERM), true);
  assert.deepEqual(reap(child), { kind: "signal", signal: SIGTERM });
  assert.equal(signalPidfd(pidfd.fd, 0), false);
});

Deno.test("openPidfd() throws ESRCH when there is no such process", () => {
  const child = spawn(["/bin/true"], { fds: nothing });
  reap(child);

  assert.throws(() => openPidfd(child), isCode("ESRCH"));
});

Deno.test("processEnd() notices the end of many processes", async () => {
  const children = Array.from({ length: 20 }, () => spawn(["/bin/sleep", "0.1"], { fds: nothing }));
  using stack = new DisposableStack();

  await Promise.all(children.map((child) => stack.use(processEnd(child)).ended));

  const codes = children.map((child) => reap(child));
  assert.deepEqual(codes, Array(20).fill({ kind: "exit", code: 0 }));
});

Deno.test("processEnd() settles at once when the process is gone", async () => {
  const child = spawn(["/bin/true"], { fds: nothing });
  reap(child);

  using end = processEnd(child);

  await end.ended;
});

Deno.test("processEnd() releases its descriptor when it is disposed early", async () => {
  const child = spawn(["/bin/sleep", "60"], { fds: nothing });
  using pidfd = openPidfd(child);
  const before = pidfds();
  processEnd(child)[Symbol.dispose]();
  using other = processEnd(child); // Its round closes what the first one left.

  signalPidfd(pidfd.fd, SIGTERM);
  await other.ended;

  reap(child);
  assert.equal(pidfds(), before);
});

function pidfds(): number {
  const links = openDescriptors().map((name) => Deno.readLinkSync(`/proc/self/fd/${name}`));
  return links.filter((link) => link.includes("pidfd")).length;
}

Deno.test("OwnedFd closes once and refuses use afterwards", () => {
  const before = openDescriptors();
  const { reader, writer } = pipe();

  for (const end of [reader, writer, reader]) end[Symbol.dispose]();

  assert.throws(() => reader.fd);
  assert.deepEqual(openDescriptors(), before);
});

Deno.test("fdStream() carries a pty until EIO and closes it", async () => {
  const before = openDescriptors();
  const { master, slave } = openPty();
  setWindowSize(master.fd, 132, 43);
  const child = spawn(["/bin/sh", "-c", "stty size; read line; echo got $line"], {
    fds: [slave.fd, slave.fd, slave.fd],
    env: { PATH: "/bin" },
  });
  slave[Symbol.dispose]();
  const stream = fdStream(master);
  let text = "";
  stream.on("data", (chunk) => text += chunk);
  stream.write("hello\n");

  await new Promise<void>((resolve) => stream.on("error", () => resolve()).on("end", resolve));
  stream.destroy();
  await new Promise<void>((resolve) => stream.closed ? resolve() : stream.once("close", resolve));

  reap(child);
  assert.match(text, /43 132\r\n/);
  assert.match(text, /got hello\r\n$/);
  assert.deepEqual(openDescriptors(), before);
});

Deno.test("fdStream() keeps what a paused reader has not taken when a pty ends", async () => {
  const { master, slave } = openPty();
  const stream = fdStream(master);
  let [text, isPaused] = ["", false];
  const paused = new Promise<void>((resolve) => {
    stream.on("data", (chunk) => {
      text += chunk;
      if (isPaused) return;
      isPaused = true;
      stream.pause();
      resolve();
    });
  });
  const ended = new Promise<void>((resolve) => stream.on("error", () => resolve()));
  const child = spawn(["/bin/sh", "-c", "echo 1; sleep 0.2; seq 2 1500"], {
    fds: [slave.fd, slave.fd, slave.fd],
    env: { PATH: "/bin" },
  });
  slave[Symbol.dispose]();
  await paused;
  reap(child);
  // As long as an end would need that is noticed though nobody reads.
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 300))]);

  stream.resume();
  await ended;

  const expected = Array.from({ length: 1500 }, (_, index) => `${index + 1}\r\n`).join("");
  assert.equal(text, expected);
});

Deno.test("peerCredentials() tells who connected", async () => {
  using directory = temporaryDirectory();
  const { createServer, connect } = await import("node:net");
  const path = `${directory.path}/socket`;
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<{ _handle: { fd: number } }>();
  server.on("connection", (socket) => resolve(socket as never));
  await new Promise<void>((ready) => server.listen(path, ready));
  const client = connect(path);

  const accepted = await promise;
  const peer = peerCredentials(accepted._handle.fd as Fd);

  client.destroy();
  (accepted as unknown as { destroy(): void }).destroy();
  await new Promise((closed) => server.close(closed));
  assert.deepEqual(peer, { pid: Deno.pid, uid: 0, gid: 0 });
});

/** A root with a link that points out of it. */
function hostileRoot(): { readonly root: OwnedFd; readonly path: string } & Disposable {
  const directory = temporaryDirectory();
  const path = `${directory.path}/root`;
  Deno.mkdirSync(`${path}/etc`, { recursive: true });
  Deno.writeTextFileSync(`${path}/etc/name`, "inside");
  Deno.writeTextFileSync(`${directory.path}/secret`, "outside");
  Deno.symlinkSync("../../../../../../etc", `${path}/up`);
  Deno.symlinkSync("/etc/name", `${path}/absolute`);
  Deno.symlinkSync("../secret", `${path}/leak`);
  const root = openPath(path, O.PATH | O.DIRECTORY);
  const dispose = () => {
    root[Symbol.dispose]();
    directory[Symbol.dispose]();
  };
  return { root, path, [Symbol.dispose]: dispose };
}

for (const path of ["/etc/name", "up/name", "absolute", "../../etc/name", "/up/../etc/name"]) {
  Deno.test(`openInRoot() resolves "${path}" below the root`, () => {
    using hostile = hostileRoot();

    using file = openInRoot(hostile.root.fd, guestPath(path), O.RDONLY);

    assert.equal(Deno.readTextFileSync(`/proc/self/fd/${file.fd}`), "inside");
  });
}

Deno.test("openInRoot() does not follow a link out of the root", () => {
  using hostile = hostileRoot();
  const open = () => openInRoot(hostile.root.fd, guestPath("leak"), O.RDONLY);

  assert.throws(open, isCode("ENOENT"));
});

Deno.test("openInRoot() does not follow the magic links of /proc", () => {
  using root = openPath("/proc/self", O.PATH | O.DIRECTORY);
  const open = () => openInRoot(root.fd, guestPath("root"), O.PATH);

  assert.throws(open, isCode("ELOOP"));
});

Deno.test("openParent() and the *At functions change entries without following links", () => {
  using hostile = hostileRoot();
  using parent = openParent(hostile.root.fd, guestPath("/up/new")).directory;

  makeDirectoryAt(parent.fd, "new", 0o700);
  Deno.symlinkSync("/etc/passwd", `${hostile.path}/etc/link`);
  changeOwnerAt(parent.fd, "link", 12, 34);

  const link = Deno.lstatSync(`${hostile.path}/etc/link`);
  assert.deepEqual([link.uid, link.gid], [12, 34]);
  assert.equal(Deno.statSync("/etc/passwd").uid, 0);
  assert.equal(Deno.statSync(`${hostile.path}/etc/new`).isDirectory, true);
});

Deno.test("openPath() throws SysError with the name of the failure", () => {
  assert.throws(() => openPath(hostPath("/nonexistent"), O.RDONLY), isCode("ENOENT"));
});
