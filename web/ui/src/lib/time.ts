// Times are stored in UTC and shown as people in Vietnam read them, whatever the computer's own zone.

const ZONE = 'Asia/Ho_Chi_Minh';
const OFFSET_MS = 7 * 3_600_000;

const parts = new Intl.DateTimeFormat('en-GB', {
  timeZone: ZONE,
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

function split(at: Date): Record<string, string> {
  return Object.fromEntries(parts.formatToParts(at).map((part) => [part.type, part.value]));
}

/** HH:MM:SS */
export function clock(utc: string | Date): string {
  const p = split(new Date(utc));
  return `${p['hour']}:${p['minute']}:${p['second']}`;
}

/** DD/MM/YYYY */
export function day(utc: string | Date): string {
  const p = split(new Date(utc));
  return `${p['day']}/${p['month']}/${p['year']}`;
}

/** HH:MM:SS DD/MM/YYYY */
export function dateTime(utc: string | Date): string {
  return `${clock(utc)} ${day(utc)}`;
}

/** The same with tenths of a second, as evidence needs it. */
export function preciseTime(utc: string): string {
  const tenths = Math.floor((new Date(utc).getTime() % 1000) / 100);
  return `${clock(utc)}.${tenths} ${day(utc)}`;
}

/** Whole days left until `utc`, 0 on the last day, negative when over. */
export function daysLeft(utc: string, now: number): number {
  return Math.floor((new Date(utc).getTime() - now) / 86_400_000);
}

/** The last day a deadline leaves: it ends with the midnight that `utc` names. */
export function lastDay(utc: string): string {
  return day(new Date(new Date(utc).getTime() - 1000));
}

/** What an input of type datetime-local holds, read as time in Vietnam. */
export function fromInput(value: string): string | null {
  return value === '' ? null : new Date(`${value}:00+07:00`.replace(/(:\d\d:\d\d):00\+/, '$1+')).toISOString();
}

/** Start of the hour or day in Vietnam that `utc` falls in, as milliseconds. */
export function startOf(unit: 'hour' | 'day', utc: string | number): number {
  const size = unit === 'hour' ? 3_600_000 : 86_400_000;
  const local = new Date(utc).getTime() + OFFSET_MS;
  return local - (local % size) - OFFSET_MS;
}
