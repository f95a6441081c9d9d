/** Rows of the result: medians beside each other, the ratio, the target, and whether it is met. */
import type { Figure } from "./figure.ts";
import { median } from "./measure.ts";

export interface Row {
  readonly figure: string;
  readonly unit: string;
  readonly ours: number;
  readonly lxd: number | undefined;
  readonly ratio: number | undefined;
  readonly target: string;
  /** undefined: there is nothing to compare with. */
  readonly met: boolean | undefined;
}

type Samples = readonly number[] | undefined;

export function makeRow(figure: Figure, ours: readonly number[], reference: Samples): Row {
  const value = median(ours);
  const lxd = reference === undefined ? undefined : median(reference);
  const ratio = lxd === undefined ? undefined : value / lxd;
  const { name, unit, better, target } = figure;
  const fits = (mine: number, bound: number) => better === "less" ? mine <= bound : mine >= bound;
  const checks = [
    ...target.limit === undefined ? [] : [fits(value, target.limit)],
    ...target.ratio === undefined || ratio === undefined ? [] : [fits(ratio, target.ratio)],
  ];
  const met = checks.length === 0 ? undefined : checks.every((check) => check);
  return { figure: name, unit, ours: value, lxd, ratio, target: targetText(figure), met };
}

/** It could not be measured: its target is not met. */
export function failedRow(figure: Figure): Row {
  const nothing = { ours: Number.NaN, lxd: undefined, ratio: undefined };
  const { name, unit } = figure;
  return { figure: name, unit, ...nothing, target: targetText(figure), met: false };
}

function targetText({ target, better, unit }: Figure): string {
  const sign = better === "less" ? "<=" : ">=";
  const { ratio, limit } = target;
  const share = ratio === undefined ? "" : ratio < 1 ? `1/${Math.round(1 / ratio)}` : `${ratio}x`;
  return [
    ...ratio === undefined ? [] : [`${sign} ${share} of LXD`],
    ...limit === undefined ? [] : [`${sign} ${limit} ${unit}`],
  ].join(", ");
}

const number = (value: number | undefined) =>
  value === undefined || Number.isNaN(value)
    ? "-"
    : value < 10
    ? value.toFixed(2)
    : value.toFixed(0);

function ratioText({ ratio }: Row): string {
  if (ratio === undefined) return "-";
  return ratio < 1 && ratio > 0 ? `1/${(1 / ratio).toFixed(1)}` : `${ratio.toFixed(1)}x`;
}

export function formatTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.figure,
    `${number(row.ours)} ${row.unit}`,
    row.lxd === undefined ? "-" : `${number(row.lxd)} ${row.unit}`,
    ratioText(row),
    row.target,
    row.met === undefined ? "" : row.met ? "met" : "NOT MET",
  ]);
  const all = [["figure", "ours", "LXD 5.0.2", "ratio", "target", ""], ...cells];
  const widths = all[0]?.map((_, column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0))
  );
  return all.map((line) =>
    line.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join("  ").trimEnd()
  ).join("\n");
}
