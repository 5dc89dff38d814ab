// Drives the built pages in Chromium against the sample server, by keyboard where a reviewer would.
//
//   STOPLINE_SAMPLE      the program `sample_backend`, built
//   STOPLINE_CHROMIUM    Chromium, /usr/bin/chromium if not given
//   STOPLINE_SCREENSHOTS folder to save pictures in (made small with ffmpeg); none if not given
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const sample = process.env.STOPLINE_SAMPLE;
if (!sample) throw new Error('STOPLINE_SAMPLE: expected the path of the program sample_backend (cargo build -p stopline-web --example sample_backend)');
const pictures = process.env.STOPLINE_SCREENSHOTS;
const WAIT_MS = 30_000;

/** Starts the sample server; resolves with the one-time links by user name. */
function start() {
  const child = spawn(sample, ['--listen', '127.0.0.1:0', '--plates'], { stdio: ['ignore', 'pipe', 'inherit'] });
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
  const whole = `${pictures}/.${name}.png`;
  await page.screenshot({ path: whole });
  // Small enough for a repository: fewer colours, and not larger than a page shows them.
  const reduce = 'scale=1120:-1:flags=lanczos,split[a][b];[a]palettegen=max_colors=96[p];[b][p]paletteuse=dither=none';
  await promisify(execFile)('ffmpeg', ['-v', 'error', '-y', '-i', whole, '-vf', reduce, `${pictures}/${name}.png`]);
  await rm(whole);
  shots.add(name);
}

/** Whose link is used up: a second time they sign in by password. */
const linked = new Set();

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
  if (linked.has(name)) {
    await page.goto(address);
    await page.getByLabel('Tên người dùng').fill(name);
    await page.getByLabel('Mật khẩu').fill('mat-khau-thu-nghiem');
    await page.getByRole('button', { name: 'Đăng nhập' }).click();
  } else {
    linked.add(name);
    await page.goto(links.get(name));
    await page.getByRole('button', { name: 'Vào hệ thống' }).click();
  }
  await page.getByRole('button', { name: 'Đăng xuất' }).waitFor();
  return { page, context, foreign, complaints };
}

async function test(name, run) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.error(`FAIL  ${name}\n${error.stack ?? error}`);
    for (const page of browser.contexts().flatMap((context) => context.pages())) {
      const said = await page.getByRole('status').or(page.getByRole('alert')).allInnerTexts().catch(() => []);
      console.error(`      at ${page.url().slice(address.length)}: ${said.join(' | ') || 'no message'}`);
    }
  }
}

const axeSource = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
/** Fails on what axe calls serious or critical. */
async function axe(page, where) {
  // By the debugger, not by a script element: the content security policy allows none of those.
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations);
  const grave = found.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(grave.map(({ id, nodes }) => `${where}: ${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 140)).join(' | ')}`), []);
}

const caseId = (page) => new URL(page.url()).pathname.split('/')[2];
/** Waits until another case than `before` is open and its first picture is drawn, or said to be missing. */
async function opened(page, before) {
  await page.waitForFunction((old) => location.pathname.startsWith('/review/') && location.pathname.split('/')[2] !== old, before);
  await page.locator('.view svg image, .view .none').waitFor();
  return caseId(page);
}
const told = (page, id) => page.evaluate(async (of) => (await fetch(`/api/cases/${of}`)).json(), id);
/** Steps down the queue to a case that one person can approve: deadlines count in days, so which case leads depends on the hour. */
async function clean(page) {
  for (;;) {
    const id = caseId(page);
    const { obstacles, second_approval: second } = await told(page, id);
    if (obstacles.length === 0 && !second) return id;
    await page.keyboard.press('ArrowDown');
    await opened(page, id);
  }
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
    await opened(page, undefined);
    first = await clean(page);
    await page.locator('.facts').getByText(/Không đọc được. Xem biển số trên ảnh.|chưa chắc ·|chắc chắn ·/).first().waitFor();
    await shot(page, 'review');

    await page.keyboard.press('3');
    await page.locator('.caption').getByText('Sau').waitFor();
    await page.keyboard.press('o');
    assert.equal(await page.locator('.view svg rect').count(), 0, 'the box is hidden');
    // It comes with the camera's scene, which is asked for beside the case.
    await page.locator('.view svg polyline.line').first().waitFor({ state: 'attached' });
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
    const after = await Promise.all([first, second, third].map((id) => told(page, id)));
    assert.deepEqual(after.map((item) => item.status), ['confirmed', 'rejected', 'waiting']);
    assert.equal(after[1].review.reason, 'plate_unreadable');
  });

  await test('the last decision is undone, and the case is back', async () => {
    const before = caseId(page);
    await page.keyboard.press('u');
    await opened(page, before);
    await page.getByRole('status').filter({ hasText: 'Đã hoàn tác' }).waitFor();
    const back = await told(page, caseId(page));
    assert.equal(back.status, 'waiting');
    assert.deepEqual(back.history.map((review) => review.verdict), ['rejected', 'reopened']);
  });

  await test('the clip plays and steps by frames', async () => {
    await clean(page);
    const time = () => page.evaluate(() => document.querySelector('video')?.currentTime);
    await page.keyboard.press(' ');
    await page.waitForFunction(() => document.querySelector('video')?.currentTime > 0.3);
    await page.keyboard.press(' ');
    await page.waitForFunction(() => document.querySelector('video')?.paused);
    const at = await time();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((old) => document.querySelector('video')?.currentTime > old, at);
    const on = await time();
    assert.ok(on - at < 0.2, `one frame on: ${at} to ${on}`);
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((old) => document.querySelector('video')?.currentTime < old, on);
    await shot(page, 'review_clip');
  });

  await test('of two reviewers on one case the second is told who has it open', async () => {
    const binh = await signedIn('binh');
    const id = await clean(page);
    await page.waitForFunction(async (open) => (await (await fetch(`/api/cases/${open}`)).json()).lease?.user === 'an', id);
    await binh.page.goto(`${address}/review/${id}`);
    await binh.page.locator('.view svg image').waitFor();
    await binh.page.getByRole('status').filter({ hasText: 'an đang mở vụ này.' }).waitFor();
    // Listened for before the key, or the answer may come first.
    const refused = binh.page.waitForResponse((response) => response.url().endsWith('/decision') && response.status() === 409);
    await binh.page.keyboard.press('a');
    await refused;
    assert.equal((await told(page, id)).status, 'waiting');
    await binh.context.close();
  });

  await test('ten cases are reviewed by keyboard', async () => {
    const times = [];
    for (let n = 0; n < 10; n += 1) {
      const before = caseId(page);
      const blocked = (await told(page, before)).obstacles.length > 0;
      const start = performance.now();
      // At most four keys a case.
      for (const key of blocked ? ['r', '5'] : ['3', '2', 'a']) await page.keyboard.press(key);
      await opened(page, before);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    console.log(`      a case took ${times.map((ms) => Math.round(ms)).join(', ')} ms of the machine, median ${Math.round(times[5])} ms`);
  });

  await test('a plate is corrected, and a case is handed up', async () => {
    const id = caseId(page);
    await page.keyboard.press('e');
    await page.locator('#plate-edit').fill('30f-256.58');
    await page.keyboard.press('Enter');
    await page.locator('.plate-panel').getByText('đã sửa bởi an').waitFor();
    await shot(page, 'review_plate');
    await page.keyboard.press('s');
    await opened(page, id);
    const lan = await signedIn('lan');
    await lan.page.goto(`${address}/review/${id}`);
    await lan.page.getByText('an đã chuyển lên chỉ huy').waitFor();
    await shot(lan.page, 'review_approver');
    await lan.context.close();
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
    await page.getByLabel('Biển số', { exact: false }).first().fill('29G133871');
    assert.ok(await page.locator('form input[required]').count(), 'a search by plate asks why');
    await page.getByLabel('Biển số', { exact: false }).first().fill('');
    await page.getByLabel('Phương tiện').selectOption('truck');
    await page.getByRole('button', { name: 'Tra cứu' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('tbody tr td:nth-child(3)')].every((cell) => cell.textContent === 'Xe tải'));
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

  await test('the wall plays a camera, coloured by health', async () => {
    await page.goto(`${address}/wall`);
    await page.locator('.map path').first().waitFor();
    await page.locator('.cameras .online button').first().click();
    await page.waitForFunction(() => {
      const video = document.querySelector('.tiles video');
      return video && video.readyState >= 2 && video.currentTime > 0.5;
    });
    assert.equal(await page.locator('figure[data-state=playing]').count(), 1);
    await shot(page, 'wall');
    await axe(page, 'wall');
  });

  await test('a zone is drawn and judged while it is drawn', async () => {
    const toan = await signedIn('toan');
    await toan.page.goto(`${address}/cameras/ql10-cau-bo`);
    await toan.page.getByRole('button', { name: 'Thêm vùng cấm dừng' }).click();
    await toan.page.getByText('Không có lỗi').waitFor();
    for (let n = 0; n < 2; n += 1) await toan.page.locator('li', { hasText: 'zone-1' }).getByRole('button', { name: 'Bớt điểm' }).click();
    await toan.page.getByText(/zones\[\d\]\.polygon/).last().waitFor();
    for (let n = 0; n < 2; n += 1) await toan.page.locator('li', { hasText: 'zone-1' }).getByRole('button', { name: 'Thêm điểm' }).click();
    await toan.page.getByText('Không có lỗi').waitFor();
    await toan.page.getByRole('button', { name: 'Điểm 1 của zone-1' }).focus();
    await toan.page.keyboard.press('Shift+ArrowLeft');
    await toan.page.getByRole('button', { name: 'Lưu và áp dụng' }).click();
    await toan.page.getByText('Đã lưu.').waitFor();
    await shot(toan.page, 'scene_editor');
    await axe(toan.page, 'scene editor');
    await toan.page.goto(`${address}/cameras`);
    await toan.page.getByText('đầy sau').waitFor();
    await shot(toan.page, 'cameras_operator');
    await toan.context.close();
  });

  await test('users and audit are seen by their roles only', async () => {
    const quan = await signedIn('quan');
    await quan.page.goto(`${address}/users`);
    await quan.page.getByRole('heading', { name: 'Người dùng và cơ quan' }).waitFor();
    await quan.page.locator('td b', { hasText: 'binh' }).waitFor();
    await shot(quan.page, 'users');
    await axe(quan.page, 'users');
    assert.equal(await quan.page.getByRole('link', { name: 'Nhật ký' }).count(), 0);
    await quan.context.close();
    const kiem = await signedIn('kiem');
    await kiem.page.goto(`${address}/audit`);
    await kiem.page.getByRole('button', { name: 'Kiểm tra chuỗi' }).click();
    await kiem.page.getByText('Chuỗi nguyên vẹn').waitFor();
    await shot(kiem.page, 'audit');
    await axe(kiem.page, 'audit');
    await kiem.context.close();
    await page.goto(`${address}/account`);
    await page.getByText('phiên này').waitFor();
    await shot(page, 'account');
    await axe(page, 'account');
  });

  await test('a first start: the administrator signs in by password and makes a user, who signs in', async () => {
    const byPassword = async (name, password) => {
      const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
      const fresh = await context.newPage();
      fresh.setDefaultTimeout(WAIT_MS);
      await fresh.goto(address);
      await fresh.getByLabel('Tên người dùng').fill(name);
      await fresh.getByLabel('Mật khẩu').fill(password);
      await fresh.getByRole('button', { name: 'Đăng nhập' }).click();
      return { context, fresh };
    };
    const wrong = await byPassword('admin', 'admin');
    await wrong.fresh.getByRole('alert').waitFor();
    await wrong.context.close();
    const { context, fresh } = await byPassword('quan', 'mat-khau-thu-nghiem');
    await fresh.getByRole('button', { name: 'Đăng xuất' }).waitFor();
    await fresh.goto(`${address}/users`);
    const form = fresh.locator('form', { has: fresh.getByRole('heading', { name: 'Thêm người dùng' }) });
    await form.getByLabel('Tên người dùng').fill('moi');
    await form.getByLabel('Mật khẩu').fill('cau vong sau con mua');
    await form.getByLabel('Vai trò').selectOption('viewer');
    await form.getByRole('button', { name: 'Thêm người dùng' }).click();
    await fresh.locator('td b', { hasText: 'moi' }).waitFor();
    await context.close();
    const moi = await byPassword('moi', 'cau vong sau con mua');
    await moi.fresh.getByRole('button', { name: 'Đăng xuất' }).waitFor();
    assert.equal(await moi.fresh.getByRole('link', { name: 'Người dùng' }).count(), 0);
    await moi.context.close();
  });

  await test('a search by plate states its reason, which stands in the log', async () => {
    await page.goto(`${address}/passages`);
    await page.getByLabel('Biển số', { exact: false }).first().fill('29B1*');
    await page.getByRole('button', { name: 'Tra cứu' }).click();
    assert.ok(await page.evaluate(() => document.querySelector('input[required]')?.validity.valueMissing), 'refused without a reason');
    await page.getByLabel('Mục đích tra cứu').fill('vụ án 118/2026');
    await page.getByRole('button', { name: 'Tra cứu' }).click();
    await page.waitForFunction(() => {
      const plates = [...document.querySelectorAll('tbody tr td:nth-child(2)')].map((cell) => cell.textContent.replace(/[^0-9A-Z]/g, ''));
      return plates.length > 0 && plates.every((plate) => plate.startsWith('29B1'));
    });
    await shot(page, 'search');
    const kiem = await signedIn('kiem');
    await kiem.page.goto(`${address}/audit`);
    await kiem.page.getByText('vụ án 118/2026').first().waitFor();
    await kiem.context.close();
  });

  await test('roles see their pages and no others', async () => {
    const pages = { phan: ['/passages', '/statistics', '/wall', '/cameras'], kiem: ['/audit'], toan: ['/wall', '/statistics', '/cameras'] };
    for (const [name, allowed] of Object.entries(pages)) {
      const who = await signedIn(name);
      const found = await who.page.locator('header nav a').evaluateAll((links) => links.map((link) => new URL(link.href).pathname));
      assert.deepEqual(found.sort(), [...allowed].sort(), name);
      await who.context.close();
    }
    // What an analyst sees of plates are pseudonyms.
    const phan = await signedIn('phan');
    const told = await phan.page.evaluate(async () => (await (await fetch('/api/passages?limit=200')).json()).items.map(({ plate }) => plate?.text).filter(Boolean));
    assert.ok(told.length > 20 && told.every((text) => !/^29[BXGK]1/.test(text)), told.slice(0, 3).join(' '));
    assert.equal(await phan.page.evaluate(async () => (await fetch('/api/passages?plate=29B1*&purpose=kiem tra')).status), 403);
    await phan.page.goto(`${address}/statistics`);
    await phan.page.getByRole('img', { name: 'Vi phạm theo giờ và loại lỗi' }).waitFor();
    await phan.page.getByRole('heading', { name: 'Chất lượng camera' }).scrollIntoViewIfNeeded();
    await shot(phan.page, 'analytics');
    await axe(phan.page, 'analytics');
    await phan.context.close();
  });

  await test('the other screens say nothing serious to axe', async () => {
    for (const path of ['/', '/review', '/passages', '/statistics', '/cameras']) {
      await page.goto(`${address}${path}`);
      await page.locator('h1, .facts').first().waitFor();
      await axe(page, path);
    }
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
