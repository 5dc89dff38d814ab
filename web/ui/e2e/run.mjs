// Drives the built pages in Chromium against the sample server, by keyboard where a reviewer would.
//
//   STOPLINE_SAMPLE      the program `sample_backend`, built
//   STOPLINE_CHROMIUM    Chromium, /usr/bin/chromium if not given
//   STOPLINE_SCREENSHOTS folder to save pictures in; none if not given
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const sample = process.env.STOPLINE_SAMPLE;
if (!sample) throw new Error('STOPLINE_SAMPLE: expected the path of the program sample_backend (cargo build -p stopline-web --example sample_backend)');
const pictures = process.env.STOPLINE_SCREENSHOTS;
const WAIT_MS = 30_000;

/** Starts the sample server; resolves with the one-time links by user name. */
function start() {
  const child = spawn(sample, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const links = new Map();
  return new Promise((ready, failed) => {
    child.once('error', failed);
    child.once('exit', (code) => failed(new Error(`the sample server ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [name, url] = line.split(' ');
      if (name === 'ready') ready({ child, links, address: url });
      else if (name && url) links.set(name, url);
    });
  });
}

const { child, links, address } = await start();
const browser = await chromium.launch({
  executablePath: process.env.STOPLINE_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

let failures = 0;
const shots = new Set();

async function shot(page, name) {
  if (!pictures) return;
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png` });
  shots.add(name);
}

async function signedIn(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, timezoneId: 'America/New_York', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const foreign = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('data:') && !request.url().startsWith('blob:')) foreign.push(request.url());
  });
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(links.get(name));
  await page.getByRole('button', { name: 'Vào hệ thống' }).click();
  await page.getByRole('heading', { name: 'Sự kiện trực tiếp' }).waitFor();
  return { page, context, foreign, complaints };
}

async function test(name, run) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.error(`FAIL  ${name}\n${error.stack ?? error}`);
  }
}

const caseId = (page) => new URL(page.url()).pathname.split('/')[2];
/** Waits until another case than `before` is open and its first picture is drawn. */
async function opened(page, before) {
  await page.waitForFunction((old) => location.pathname.startsWith('/review/') && location.pathname.split('/')[2] !== old, before);
  await page.locator('.view svg image').waitFor();
  return caseId(page);
}

try {
  const an = await signedIn('an');
  const { page } = an;

  await test('a one-time link works once, and leaves no token behind', async () => {
    assert.equal(new URL(page.url()).pathname, '/');
    const other = await browser.newContext();
    const again = await other.newPage();
    await again.goto(links.get('an'));
    assert.ok(!again.url().includes('token'), again.url());
    await again.getByRole('button', { name: 'Vào hệ thống' }).click();
    await again.getByRole('alert').filter({ hasText: 'Liên kết đã dùng' }).waitFor();
    await again.getByRole('link', { name: 'Đăng nhập bằng mật khẩu' }).click();
    await again.getByRole('heading', { name: 'Đăng nhập' }).waitFor();
    await shot(again, 'login');
    await other.close();
  });

  await test('passages arrive on the live list', async () => {
    const first = page.locator('table.data tbody tr').first();
    const before = await first.textContent();
    await page.waitForFunction((old) => document.querySelector('table.data tbody tr')?.textContent !== old, before);
    await shot(page, 'live');
  });

  let first;
  await test('two cases are reviewed by keyboard', async () => {
    await page.getByRole('link', { name: /Duyệt vi phạm/ }).click();
    first = await opened(page, undefined);
    await page.locator('.facts').getByText(/Không đọc được. Xem biển số trên ảnh.|chưa chắc ·|chắc chắn ·/).first().waitFor();
    await shot(page, 'review');

    await page.keyboard.press('3');
    await page.locator('.caption').getByText('Sau').waitFor();
    await page.keyboard.press('o');
    assert.equal(await page.locator('.view svg rect').count(), 0, 'the box is hidden');
    await page.keyboard.press('o');
    await page.keyboard.press('2');
    await page.keyboard.press('z');
    await shot(page, 'review_zoom');
    await page.keyboard.press('z');

    await page.keyboard.press('a');
    const second = await opened(page, first);
    await page.getByRole('status').filter({ hasText: 'Đã xác nhận.' }).waitFor();

    await page.keyboard.press('r');
    await page.getByRole('dialog').getByText('Không đọc được biển số').waitFor();
    await shot(page, 'review_reject');
    await page.keyboard.press('2');
    const third = await opened(page, second);
    await page.getByRole('status').filter({ hasText: 'Đã loại bỏ.' }).waitFor();
    const told = await page.evaluate(async (ids) => Promise.all(ids.map(async (id) => (await (await fetch(`/api/cases/${id}`)).json()))), [first, second, third]);
    assert.deepEqual(told.map((item) => item.status), ['confirmed', 'rejected', 'waiting']);
    assert.equal(told[1].review.reason, 'plate_unreadable');
  });

  await test('the last decision is undone, and the case is back', async () => {
    const before = caseId(page);
    await page.keyboard.press('u');
    await opened(page, before);
    await page.getByRole('status').filter({ hasText: 'Đã hoàn tác' }).waitFor();
    const told = await page.evaluate(async (id) => (await fetch(`/api/cases/${id}`)).json(), caseId(page));
    assert.equal(told.status, 'waiting');
    assert.deepEqual(told.history.map((review) => review.verdict), ['rejected', 'reopened']);
  });

  await test('the clip plays and steps by frames', async () => {
    const time = () => page.evaluate(() => document.querySelector('video').currentTime);
    await page.keyboard.press(' ');
    await page.waitForFunction(() => document.querySelector('video').currentTime > 0.3);
    await page.keyboard.press(' ');
    await page.waitForFunction(() => document.querySelector('video').paused);
    const at = await time();
    await page.keyboard.press('.');
    await page.waitForFunction((old) => document.querySelector('video').currentTime > old, at);
    const on = await time();
    assert.ok(on - at < 0.2, `one frame on: ${at} to ${on}`);
    await page.keyboard.press(',');
    await page.waitForFunction((old) => document.querySelector('video').currentTime < old, on);
    await shot(page, 'review_clip');
  });

  await test('somebody faster is named', async () => {
    const binh = await signedIn('binh');
    const id = caseId(page);
    await binh.page.goto(`${address}/review/${id}`);
    await binh.page.locator('.view svg image').waitFor();
    // an's page must not hear of it before deciding: its live line is cut.
    await page.route('**/api/events', (route) => route.abort());
    await page.reload();
    await page.locator('.view svg image').waitFor();
    await binh.page.keyboard.press('a');
    await binh.page.getByRole('status').filter({ hasText: 'Đã xác nhận.' }).waitFor();
    await page.keyboard.press('a');
    await page.getByRole('status').filter({ hasText: /binh đã xác nhận vụ này lúc/ }).waitFor();
    await page.unroute('**/api/events');
    await binh.context.close();
  });

  await test('a viewer looks but cannot decide', async () => {
    const khach = await signedIn('khach');
    await khach.page.getByRole('link', { name: /Duyệt vi phạm/ }).click();
    await opened(khach.page, undefined);
    await khach.page.getByText('Tài khoản này chỉ được xem.').waitFor();
    assert.equal(await khach.page.getByRole('button', { name: /Xác nhận/ }).count(), 0);
    await khach.context.close();
  });

  await test('the other pages answer', async () => {
    await page.goto(`${address}/passages`);
    await page.locator('table.data tbody tr').first().waitFor();
    await page.getByRole('heading', { name: 'Tra cứu lượt qua' }).waitFor();
    await page.getByLabel('Phương tiện').selectOption('truck');
    await page.getByRole('button', { name: 'Tra cứu' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('tbody tr td:nth-child(3)')].every((cell) => cell.textContent === 'Xe tải'));
    await shot(page, 'plates');
    await page.goto(`${address}/statistics`);
    await page.getByRole('img', { name: 'Vi phạm theo giờ và loại lỗi' }).waitFor();
    await shot(page, 'statistics');
    await page.goto(`${address}/cameras`);
    await page.locator('table.data tbody tr').first().waitFor();
    await shot(page, 'cameras');
    await page.getByRole('button', { name: 'Xem ảnh' }).first().click();
    await page.getByRole('dialog').locator('img').waitFor();
    await page.keyboard.press('Escape');
  });

  await test('language and theme change at once and stay', async () => {
    await page.goto(`${address}/review`);
    await opened(page, undefined);
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByRole('link', { name: /^Review/ }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await shot(page, 'keys_en');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Dark theme' }).click();
    await page.reload();
    await page.getByRole('link', { name: /^Review/ }).waitFor();
    await page.locator('.view svg image').waitFor();
    await shot(page, 'review_dark_en');
  });

  await test('times are those of Vietnam wherever the browser stands', async () => {
    const shown = await page.evaluate(async () => {
      const id = location.pathname.split('/')[2];
      const { violation } = await (await fetch(`/api/cases/${id}`)).json();
      return { utc: violation.utc, text: document.querySelector('.facts').textContent };
    });
    const local = new Date(new Date(shown.utc).getTime() + 7 * 3600_000).toISOString();
    const wanted = `${local.slice(11, 19)}.${local.slice(20, 21)} ${local.slice(8, 10)}/${local.slice(5, 7)}/${local.slice(0, 4)}`;
    assert.ok(shown.text.includes(wanted), `expected ${wanted} in ${shown.text}`);
  });

  await test('signing out ends the session on the server', async () => {
    const cookies = await an.context.cookies();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const stale = await fetch(`${address}/api/me`, { headers: { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') } });
    assert.equal(stale.status, 401);
  });

  await test('nothing was fetched from elsewhere, and the console is clean', async () => {
    assert.deepEqual(an.foreign, []);
    // The cut live line, the conflict and the ended session were provoked above; the browser notes each.
    const unexpected = an.complaints.filter((text) => !/events|ERR_FAILED|409|401|\/me/.test(text));
    assert.deepEqual(unexpected, []);
  });
} finally {
  await browser.close();
  child.removeAllListeners('exit');
  child.kill('SIGINT');
}
if (shots.size > 0) console.log(`${shots.size} screenshots in ${pictures}`);
process.exitCode = failures > 0 ? 1 : 0;
