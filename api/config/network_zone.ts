/** Network zones: their fields and what they allow. Pure. */

export interface ZoneEntry {
  readonly type: string;
  readonly ttl?: number;
  readonly value: string;
}
