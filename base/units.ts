/** Sizes, rates and durations in the notations LXD accepts. Pure. */
import { Fault } from "./errors.ts";

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
  EB: 1e18,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
  EiB: 2 ** 60,
};

/** Kernel and databases count in 64 bits with a sign. */
const BYTES_MAX = 2 ** 63;

/**
 * "10GiB" -> 10737418240. Units: B, kB ... EB (powers of 1000), KiB ... EiB (powers of 1024).
 *
 * @throws {Fault} bad_request naming the allowed units.
 */
export function parseBytes(text: string): number {
  const match = /^(\d+)([A-Za-z]*)$/.exec(text);
  const unit = match === null ? undefined : BYTE_UNITS[match[2] ?? ""];
  const bytes = Number(match?.[1]) * (unit ?? NaN);
  if (!(bytes <= BYTES_MAX)) {
    throw new Fault(
      "bad_request",
      `invalid size "${text}": want a number and a unit such as 512MiB`,
      {
        hint: "Units are B, kB, MB, GB, TB, PB, EB and KiB, MiB, GiB, TiB, PiB, EiB.",
      },
    );
  }
  return bytes;
}

/** 1536, 2 -> "1.50KiB", as LXD prints sizes (powers of 1024). */
export function formatBytes(bytes: number, digits = 2): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index++;
  }
  return index === 0 ? `${value}B` : `${value.toFixed(digits)}${units[index]}`;
}

/** LXD's idea of a boolean in configuration: true, 1, yes, on (any case). */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && ["true", "1", "yes", "on"].includes(value.toLowerCase());
}

/** Explicitly false: false, 0, no, off (any case). Unset is neither true nor false. */
export function isFalse(value: string | undefined): boolean {
  return value !== undefined && ["false", "0", "no", "off"].includes(value.toLowerCase());
}
