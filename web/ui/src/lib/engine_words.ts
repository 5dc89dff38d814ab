import type { Signal } from './types';
import { choices, number, t } from './words.svelte';

// The engine says in English why rules rest or what is doubtful. What is known is said in the reader's language; a
// sentence this version does not know is shown as it came.
const SENTENCES: [pattern: RegExp, vi: (parts: string[]) => string][] = [
  [/^the view moved by ([\d.]+) % of its width, ([\d.]+) % of its height$/, ([x, y]) => `khung hình lệch ${x} % chiều ngang, ${y} % chiều dọc`],
  [/^the view is not the one the scene was drawn on$/, () => 'khung hình khác với lúc vẽ vùng'],
  [/^the camera is covered$/, () => 'camera bị che'],
  [/^the picture is much darker than usual$/, () => 'hình tối hơn hẳn bình thường'],
  [/^the picture is blurred$/, () => 'hình bị mờ'],
  [
    /^signal: the picture shows (\w+), the controller says (\w+)$/,
    ([picture, controller]) => `Tín hiệu: hình cho thấy ${signal(picture)}, tủ điều khiển báo ${signal(controller)}`,
  ],
  [/^expected a connection to (\S+); came: .*$/, ([host]) => `không kết nối được ${host}`],
  [/^expected an answer from (\S+) within ([\d.]+) s; came none(.*)$/, ([host, s]) => `${host} không trả lời trong ${s} giây`],
  [/^expected a frame within ([\d.]+) s; came none$/, ([s]) => `không có khung hình nào trong ${s} giây`],
  [/^expected the stream to go on; came its end$/, () => 'luồng hình đã kết thúc'],
  [/^expected the log-in of "(.*)" to be accepted; came 401: user name or password is wrong(.*)$/, ([user]) => `sai tên đăng nhập hoặc mật khẩu của ${user}`],
  [/^expected a stream at this path; came (\d+)$/, ([status]) => `đường dẫn luồng sai (${status})`],
  [/^([\d.]+) frames\/s; the rules need ([\d.]+) frames\/s to follow vehicles$/, ([fps, least]) => `${number(Number(fps))} hình/giây; quy tắc cần ${least} hình/giây`],
];

function signal(word: string | undefined): string {
  return t(`signal.${word as Signal}`).toLowerCase();
}

export function engineWords(text: string): string {
  if (choices.language === 'en') return text;
  for (const [pattern, vi] of SENTENCES) {
    const found = pattern.exec(text);
    if (found) return vi(found.slice(1));
  }
  return text;
}
