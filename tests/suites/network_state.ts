/** The state of interfaces by our daemon and by Debian's LXD, each with the same ones in a network of its own. */
import { apiOf } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";

/**
 * @param links lines for ip(8) that make the interfaces.
 * @returns what our daemon says of them, by name, after it was compared.
 */
export async function compareStates(links: readonly string[], names: readonly string[]) {
  await using ours = await TestDaemon.start(OURS);
  await using theirs = await TestDaemon.start(DEBIAN);
  for (const { pid } of [ours, theirs]) {
    for (const line of links) {
      await must(["nsenter", "-t", `${pid}`, "-n", "ip", ...line.split(" ")]);
    }
  }
  const states = new Map<string, State>();
  for (const name of names) {
    const [our, their] = [await stateOf(ours, name), await stateOf(theirs, name)];
    assert.deepEqual(our, their, name);
    states.set(name, our);
    for (const daemon of [ours, theirs]) {
      const [text, expected] = [
        await infoOf(daemon, OURS, name),
        await infoOf(daemon, DEBIAN, name),
      ];
      assert.equal(text, expected, name);
    }
  }
  return states;
}

type State = Awaited<ReturnType<typeof stateOf>>;

/** Without counters and addresses that the kernel gives when it likes to. */
async function stateOf(daemon: TestDaemon, name: string) {
  const api = apiOf(daemon);
  const state = await api.get(`/1.0/networks/${name}/state`);
  assert.ok(state.counters.packets_sent >= 0);
  const addresses = state.addresses.filter(({ scope }: { scope: string }) => scope !== "link");
  return { ...state, counters: undefined, addresses };
}

async function infoOf(daemon: TestDaemon, client: { readonly lxc: string }, name: string) {
  const text = await must([client.lxc, "network", "info", name], { env: daemon.env });
  return text.replace(/^.*(Bytes|Packets) .*\n|^ {2}inet6.*\(link\)\n/gm, "")
    .replace(/^If this is your first time[^]*?\n\n/, "");
}
