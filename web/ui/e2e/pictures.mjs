// Takes pictures of a running engine's pages, for the documentation and for a look:
//
//   npm run pictures -- LOGIN_LINK FOLDER
//
// LOGIN_LINK is one for one use, as `stopline demo` and `stopline user link` print it.
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [link, folder] = process.argv.slice(2);
if (!link || !folder) throw new Error('expected LOGIN_LINK FOLDER');
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.STOPLINE_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
page.on('console', (message) => {
  if (message.type() === 'error') console.error(`page: ${message.text()}`);
});
await page.goto(link);
await page.getByRole('button', { name: 'Vào hệ thống' }).click();
await page.getByRole('heading', { name: 'Sự kiện trực tiếp' }).waitFor();
await page.waitForTimeout(4000);
for (const [path, name] of [['/', 'live'], ['/review', 'review'], ['/statistics', 'statistics'], ['/cameras', 'cameras'], ['/plates', 'search']]) {
  // By the links of the page: the log-in's cookie is strict, and typing an address is another navigation.
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await page.waitForTimeout(2500);
  await page.screenshot({ path: `${folder}/${name}.png` });
  console.log(`${folder}/${name}.png`);
}
await browser.close();
