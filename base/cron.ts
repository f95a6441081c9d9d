/**
 * Schedules of snapshots: five cron fields (minute, hour, day, month, weekday, in local time) or
 * aliases, several separated by ", ". Pure.
 */

/** What an alias stands for. `@startup` and `@never` have no times of their own. */
const CRON_ALIASES: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@annually": "0 0 1 1 *",
  "@yearly": "0 0 1 1 *",
  "@startup": "",
  "@never": "",
};

/** Values that a field matches. */
type Field = ReadonlySet<number>;

interface Expression {
  readonly minute: Field;
  readonly hour: Field;
  readonly day: Field;
  readonly month: Field;
  readonly weekday: Field;
  /** Of day and weekday, when both are limited, one is enough. */
  readonly eitherDay: boolean;
}

export interface Schedule {
  readonly expressions: readonly Expression[];
  /** Also when the instance starts. */
  readonly atStartup: boolean;
}

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const WEEKDAYS = "sun mon tue wed thu fri sat".split(" ");

const FIELDS: readonly { min: number; max: number; names?: readonly string[] }[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 7, names: WEEKDAYS },
];

/** @throws {Error} saying what is wrong, unless the text is a schedule; "" is one without times. */
export function parseSchedule(text: string): Schedule {
  const parts = splitParts(text);
  const expressions: Expression[] = [];
  for (const part of parts) {
    const source = part.startsWith("@") ? CRON_ALIASES[part] : part;
    if (source === undefined) {
      throw new Error(`unknown alias "${part}": there are ${Object.keys(CRON_ALIASES).join(", ")}`);
    }
    if (source !== "") expressions.push(parseExpression(source));
  }
  return { expressions, atStartup: parts.includes("@startup") };
}

/** Aliases may be separated by a bare comma; inside an expression a comma separates values. */
function splitParts(text: string): string[] {
  return text.split(/,\s+|,(?=@)/).map((part) => part.trim()).filter((part) => part !== "");
}

function parseExpression(text: string): Expression {
  const fields = text.split(/\s+/);
  if (fields.length !== 5) {
    throw new Error("want five fields (minute hour day month weekday)");
  }
  const [minute, hour, day, month, weekday] = fields.map((field, index) =>
    parseField(field, FIELDS[index] ?? { min: 0, max: 0 })
  ) as [Field, Field, Field, Field, Field];
  const isLimited = (field: string | undefined) => !/^[*?]$/.test(field ?? "");
  return {
    minute,
    hour,
    day,
    month,
    weekday: new Set([...weekday].map((value) => value % 7)),
    eitherDay: isLimited(fields[2]) && isLimited(fields[4]),
  };
}

function parseField(
  text: string,
  { min, max, names }: { min: number; max: number; names?: readonly string[] },
): Field {
  const values = new Set<number>();
  const valueOf = (word: string) => {
    const named = names?.indexOf(word.toLowerCase()) ?? -1;
    return named >= 0 ? named + (min === 1 ? 1 : 0) : Number(word);
  };
  for (const part of text.split(",")) {
    const match = /^(?:([*?])|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
    const [, any, from = "", to, step] = match ?? [];
    const first = any === undefined ? valueOf(from) : min;
    const last = any !== undefined || (to === undefined && step !== undefined)
      ? (max === 7 ? 6 : max)
      : to === undefined
      ? first
      : valueOf(to);
    const isGood = match !== null && first >= min && last <= max && first <= last && step !== "0";
    if (!isGood) throw new Error(`invalid cron field "${part}"`);
    for (let value = first; value <= last; value += Number(step ?? 1)) values.add(value);
  }
  return values;
}

/** Years after which a schedule is taken for one that never comes (February 30). */
const YEARS_MAX = 8;

/** The first full minute after `after` at which the schedule is due; undefined: never. */
export function nextTime(schedule: Schedule, after: Date): Date | undefined {
  let next: Date | undefined;
  for (const expression of schedule.expressions) {
    const time = nextOf(expression, after);
    if (time !== undefined && (next === undefined || time < next)) next = time;
  }
  return next;
}

function nextOf(expression: Expression, after: Date): Date | undefined {
  const time = new Date(after);
  time.setSeconds(0, 0);
  time.setMinutes(time.getMinutes() + 1);
  const lastYear = time.getFullYear() + YEARS_MAX;
  while (time.getFullYear() <= lastYear) {
    if (!expression.month.has(time.getMonth() + 1)) {
      time.setMonth(time.getMonth() + 1, 1);
      time.setHours(0, 0);
    } else if (!isDay(expression, time)) {
      time.setDate(time.getDate() + 1);
      time.setHours(0, 0);
    } else if (!expression.hour.has(time.getHours())) {
      time.setHours(time.getHours() + 1, 0);
    } else if (!expression.minute.has(time.getMinutes())) {
      time.setMinutes(time.getMinutes() + 1);
    } else return time;
  }
  return undefined;
}

function isDay({ day, weekday, eitherDay }: Expression, time: Date): boolean {
  const isDate = day.has(time.getDate());
  const isWeekday = weekday.has(time.getDay());
  return eitherDay ? isDate || isWeekday : isDate && isWeekday;
}
