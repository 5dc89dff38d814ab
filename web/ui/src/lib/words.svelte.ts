import { Problem } from './api';
import { en } from './en';
import { vi } from './vi';

export type Key = keyof typeof vi;
export type Language = 'vi' | 'en';

const dictionaries: Record<Language, Record<Key, string>> = { vi, en };

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: the choice holds until the page is left.
  }
}

/** The choices of this browser. */
export const choices = $state({
  language: (stored('language') === 'en' ? 'en' : 'vi') as Language,
  dark: stored('theme') === 'dark',
});

export function setLanguage(language: Language): void {
  choices.language = language;
  store('language', language);
}

export function setDark(dark: boolean): void {
  choices.dark = dark;
  store('theme', dark ? 'dark' : 'light');
}

/** The words for `key`, with `{name}` replaced. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  let text = dictionaries[choices.language][key];
  for (const [name, value] of Object.entries(values)) text = text.replace(`{${name}}`, String(value));
  return text;
}

function known(key: string): key is Key {
  return key in vi;
}

/** What went wrong, in the reader's language; the API's own words only where they say more. */
export function problemText(error: unknown): string {
  if (!(error instanceof Problem)) return t('problem.fault');
  const key = `problem.${error.kind}`;
  const text = known(key) ? t(key, { n: error.retryAfterS ?? 0 }) : error.message;
  const adds = error.kind === 'invalid' || error.kind === 'unavailable' || error.kind === 'conflict';
  return adds && error.message !== '' ? `${text}: ${error.message}` : text;
}

const numbers = {
  vi: new Intl.NumberFormat('vi-VN', { maximumFractionDigits: 1 }),
  en: new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 }),
};

/** A number as the language writes it, at most one decimal. */
export function number(value: number): string {
  return numbers[choices.language].format(value);
}

export function percent(share: number): string {
  return `${number(Math.round(share * 100))} %`;
}

export function vnd(amount: number): string {
  return `${number(amount)} ₫`;
}

const units: [suffix: string, unit: string][] = [
  ['_kmh', 'km/h'],
  ['_m_s', 'm/s'],
  ['_ms', 'ms'],
  ['_px', 'px'],
  ['_s', 's'],
  ['_m', 'm'],
  ['_deg', '°'],
];

// By the names the rules give what they measure, without the unit.
const quantities: Record<string, Record<Language, string>> = {
  red_for: { vi: 'Đèn đỏ đã bật', en: 'Red for' },
  front_red_for: { vi: 'Đèn đỏ khi đầu xe qua vạch', en: 'Red when the front crossed' },
  entered_on_red: { vi: 'Qua vạch khi đèn đã đỏ', en: 'Crossed when already red' },
  past_line: { vi: 'Đi tiếp qua vạch', en: 'Went on past the line' },
  beyond_after: { vi: 'Qua hết nút giao sau', en: 'Beyond the junction after' },
  over_line: { vi: 'Lấn qua vạch', en: 'Over the line' },
  over_line_error: { vi: 'Sai số vị trí', en: 'Error of that' },
  stood: { vi: 'Thời gian đứng', en: 'Stood for' },
  dwell: { vi: 'Thời gian đứng', en: 'Stood for' },
  speed: { vi: 'Tốc độ', en: 'Speed' },
  speed_error: { vi: 'Sai số tốc độ', en: 'Error of the speed' },
  excess: { vi: 'Vượt mức', en: 'Excess' },
  tolerance: { vi: 'Mức bỏ qua', en: 'Tolerance' },
  window: { vi: 'Khoảng đo', en: 'Measured over' },
  against: { vi: 'Đi ngược chiều làn', en: 'Against the lane' },
  time: { vi: 'Thời gian', en: 'For' },
  pace: { vi: 'Vận tốc', en: 'Pace' },
  min_fps: { vi: 'Số hình/giây tối thiểu', en: 'Least frames a second' },
  after_red: { vi: 'Sau khi đèn đỏ bật', en: 'After red began' },
  go_on_within: { vi: 'Đi tiếp trong vòng', en: 'Goes on within' },
  stand: { vi: 'Đứng yên ít nhất', en: 'Stands at least' },
  over: { vi: 'Quá vạch ít nhất', en: 'Past the line by' },
  distance: { vi: 'Quãng đường ít nhất', en: 'Distance at least' },
  still: { vi: 'Dịch chuyển vẫn coi là đứng', en: 'Movement that counts as standing' },
  in_lane: { vi: 'Trong làn', en: 'In the lane' },
};

/** Name and unit of a measured quantity: its unit is the end of its key. */
export function quantity(key: string): { name: string; unit: string } {
  if (key === 'min_fps') return { name: quantities['min_fps']?.[choices.language] ?? key, unit: '' };
  const found = units.find(([suffix]) => key.endsWith(suffix));
  const stem = found ? key.slice(0, -found[0].length) : key;
  return { name: quantities[stem]?.[choices.language] ?? stem.replaceAll('_', ' '), unit: found?.[1] ?? '' };
}

/** `ND168/2024 Art.7 cl.7 pt.c` in the reader's words. */
export function article(text: string): string {
  const found = /^ND(\d+)\/(\d+) Art\.(\S+)(?: cl\.(\S+))?(?: pt\.(\S+))?$/.exec(text);
  if (!found) return text;
  const [, decree, year, art, clause, point] = found;
  const parts =
    choices.language === 'vi'
      ? [
          `Nghị định ${decree}/${year}/NĐ-CP, Điều ${art}`,
          clause && `khoản ${clause}`,
          point && `điểm ${point}`,
        ]
      : [`Decree ${decree}/${year}/NĐ-CP, Article ${art}`, clause && `clause ${clause}`, point && `point ${point}`];
  return parts.filter(Boolean).join(choices.language === 'vi' ? ' ' : ', ');
}
