import assert from "node:assert/strict";
import { formatAnswer, parseQuestion, RCODE, reverseName, TYPES } from "./message.ts";
import { zoneRecords } from "./zone_records.ts";

const lease = { hwaddr: "", type: "static", location: "none" } as const;
const LEASES = [
  { ...lease, hostname: "c1", address: "192.0.2.42" },
  { ...lease, hostname: "c1", address: "fd42::42" },
];

function zone(name: string, config: Record<string, string> = {}, network = {}) {
  const zones = {
    "dns.zone.forward": "example.net",
    "dns.zone.reverse.ipv4": "2.0.192.in-addr.arpa",
  };
  return zoneRecords({
    name,
    config,
    serial: 1,
    networks: [{ config: { ...zones, ...network }, leases: LEASES }],
    records: [{ name: "demo", entries: [{ type: "MX", value: "1 mx.example.net." }] }],
  });
}

Deno.test("zoneRecords() begins and ends with the SOA record, as a transfer must", () => {
  const records = zone("example.net");

  assert.equal(records[0]?.type, "SOA");
  assert.deepEqual(records.at(-1), records[0]);
});

Deno.test("zoneRecords() names instances, forward and backward", () => {
  const forward = zone("example.net").map(({ name, type, value }) => `${name} ${type} ${value}`);
  const backward = zone("2.0.192.in-addr.arpa").map(({ name, value }) => `${name} ${value}`);

  assert.ok(forward.includes("c1.example.net A 192.0.2.42"));
  assert.ok(forward.includes("c1.example.net AAAA fd42::42"));
  assert.ok(forward.includes("demo.example.net MX 1 mx.example.net."));
  assert.ok(backward.includes("42.2.0.192.in-addr.arpa c1.example.net"));
});

Deno.test("zoneRecords() hides what NAT hides, if the zone wants it so", () => {
  const records = zone("example.net", { "network.nat": "false" }, { "ipv4.nat": "true" });

  assert.deepEqual(records.filter(({ type }) => type === "A"), []);
  assert.equal(records.filter(({ type }) => type === "AAAA").length, 1);
});

Deno.test("reverseName() writes IPv6 addresses digit by digit", () => {
  assert.equal(
    reverseName("fd42:4242:4242:1010::1"),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.1.2.4.2.4.2.4.2.4.2.4.d.f.ip6.arpa",
  );
});

Deno.test("parseQuestion() reads what formatAnswer() repeats", () => {
  const question = { id: 4711, name: "lxd.example.net", type: TYPES.AXFR };
  const answer = formatAnswer(question, RCODE.ok, []);
  answer[2] = 0; // A query again.

  assert.deepEqual(parseQuestion(answer), question);
});

Deno.test("parseQuestion() takes no rubbish", () => {
  const answer = formatAnswer({ id: 1, name: "x", type: 1 }, RCODE.ok, []);
  answer[2] = 0;
  const pointer = Uint8Array.from(answer);
  pointer[12] = 0xc0;

  assert.equal(parseQuestion(new Uint8Array(5)), undefined);
  assert.equal(parseQuestion(answer.subarray(0, 15)), undefined);
  assert.equal(parseQuestion(pointer), undefined);
});
