import { PathWatches } from "./path_watch.ts";

/** Calls of one watch, and the next one awaited. */
function counter() {
  let next = Promise.withResolvers<void>();
  return {
    onChange() {
      next.resolve();
      next = Promise.withResolvers<void>();
    },
    next: () => Promise.race([next.promise, failAfter(3000)]),
  };
}

function failAfter(ms: number): Promise<never> {
  const late = Promise.withResolvers<never>();
  Deno.unrefTimer(setTimeout(() => late.reject(new Error("no change was told")), ms));
  return late.promise;
}

Deno.test("PathWatches tells of a path that comes and goes", async () => {
  const root = Deno.makeTempDirSync();
  using watches = new PathWatches();
  const calls = counter();
  watches.set("a", `${root}/node`, calls.onChange);

  const came = calls.next();
  Deno.writeTextFileSync(`${root}/node`, "");
  await came;
  const went = calls.next();
  Deno.removeSync(`${root}/node`);
  await went;

  Deno.removeSync(root, { recursive: true });
});

Deno.test("PathWatches follows a path whose directories do not exist yet", async () => {
  const root = Deno.makeTempDirSync();
  using watches = new PathWatches();
  const calls = counter();
  watches.set("a", `${root}/x/y/node`, calls.onChange);

  const madeFolders = calls.next();
  Deno.mkdirSync(`${root}/x/y`, { recursive: true });
  await madeFolders;
  const came = calls.next();
  Deno.writeTextFileSync(`${root}/x/y/node`, "");
  await came;
  const went = calls.next();
  Deno.removeSync(`${root}/x`, { recursive: true });
  await went;
  const again = calls.next();
  Deno.mkdirSync(`${root}/x`);
  await again;

  Deno.removeSync(root, { recursive: true });
});

Deno.test("PathWatches keeps others' watches of the same directory when one ends", async () => {
  const root = Deno.makeTempDirSync();
  using watches = new PathWatches();
  const calls = counter();
  watches.set("a", `${root}/node`, () => {});
  watches.set("b", `${root}/node`, calls.onChange);

  watches.delete("a");
  watches.delete("a");
  const came = calls.next();
  Deno.writeTextFileSync(`${root}/node`, "");
  await came;

  Deno.removeSync(root, { recursive: true });
});
