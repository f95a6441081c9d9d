/** Ranges of ids as fuidshift takes them: "b:0:100000:65536". Pure. */
import { Fault } from "#base/errors.ts";
import type { IdMap, IdMapEntry } from "./idmap.ts";

/** (uid_t) -1 is no id. */
const ID_END = 2 ** 32 - 1;

/** Ranges in their order: they may overlap, and the first that fits counts. @throws {Fault} bad_request */
export function parseRanges(words: readonly string[]): IdMap {
  return words.map(parseRange);
}

function parseRange(word: string): IdMapEntry {
  const [kind = "", ...numbers] = word.split(":");
  if (numbers.length !== 3) {
    throw new Fault("bad_request", `Bad idmap: ${JSON.stringify(word)}`, {
      hint: "It is <u|g|b>:<first id inside>:<first id on the host>:<count>.",
    });
  }
  if (!/^[ugb]$/.test(kind)) {
    throw new Fault("bad_request", `Bad idmap type in ${JSON.stringify(word)}`, {
      hint: "It is u (user ids), g (group ids) or b (both).",
    });
  }
  const [nsId = 0, hostId = 0, size = 0] = numbers.map(parseId);
  if (nsId + size > ID_END || hostId + size > ID_END) {
    throw new Fault("bad_request", `Bad idmap: ${JSON.stringify(word)} goes beyond the last id`, {
      hint: `The last id is ${ID_END - 1}.`,
    });
  }
  return { isUid: kind !== "g", isGid: kind !== "u", nsId, hostId, size };
}

/** In the words that LXD has for it. */
function parseId(text: string): number {
  const fail = (reason: string) =>
    new Fault("bad_request", `strconv.ParseUint: parsing ${JSON.stringify(text)}: ${reason}`);
  if (!/^\d+$/.test(text)) throw fail("invalid syntax");
  if (Number(text) > ID_END) throw fail("value out of range");
  return Number(text);
}
