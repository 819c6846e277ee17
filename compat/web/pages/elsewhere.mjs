// Walks the pages of signing in at another provider, at BASE_URL: the buttons, the
// way there, connections and how they fail, in both languages, both themes and two
// sizes. Leaves a picture of each in SCREENSHOTS; fails when axe-core, the browser's
// console, a page too wide or a step is a reason to.
import { mkdirSync, rmSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { BASE_URL: base, SCREENSHOTS: folder, CHROMIUM: executablePath } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const password = 'three blue teapots';
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 860 } };
const failures = [];
let pictures = 0;
const check = (what, ok) => { if (!ok) { failures.push(what); console.error(what); } };

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });

async function look(page, language, name) {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const at = `${name}-${language}-${colorScheme}-${size}`;
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(`${at}: wider than the screen by ${over}`, over <= 0);
      await page.evaluate(axe);
      const found = await page.evaluate(async (values) => (await window.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] }))
        .violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(' ')).join('; ')}`), tags);
      for (const text of found) check(`${at}: axe ${text}`, false);
      await page.screenshot({ path: join(folder, `${at}.png`), fullPage: true });
      pictures++;
    }
  }
}

async function walk(language, javaScriptEnabled) {
  const context = await browser.newContext({ baseURL: base, locale: language === 'ru' ? 'ru-RU' : 'en-GB', javaScriptEnabled });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  const picture = async (name) => { if (javaScriptEnabled) await look(page, language, name); };
  page.on('pageerror', (e) => check(`a script fails: ${e}`, false));
  page.on('console', (m) => check(`the console says: ${m.text()}`, m.type() !== 'error' || /status of [45]\d\d/.test(m.text())));
  let went = [];
  // An answer without content leaves the browser where it is.
  await page.route('https://provider.example/**', (r) => { went.push(r.request()); return r.fulfill({ status: 204 }); });
  const goes = async (what) => {
    for (let i = 0; i < 100 && went.length === 0; i++) await page.waitForTimeout(50);
    check(`${what}: the browser goes nowhere`, went.length > 0 && went[0].url().startsWith('https://provider.example/authorize?x=y&state='));
    check(`${what}: the provider is told where from`, went.every((r) => !r.headers().referer));
    went = [];
  };

  await page.goto('/login?return=%2Faccount%2Ftokens');
  await picture('sign-in');
  await page.click('button[name="provider"][value="one"]');
  await goes('signing in');
  await picture('on-the-way');
  await page.goto('/login/from/one?code=alice&state=us1.state');
  check(`after signing in one is at ${page.url()}`, page.url() === base + '/account/tokens');
  await page.goto('/account');
  await picture('account');
  await page.goto('/account/connections');
  await picture('connections');
  await page.fill('#password', 'not this one');
  await page.click('main button[value="two"]');
  await picture('connect-wrong');
  await page.fill('#password', password);
  await page.click('main button[value="two"]');
  await goes('connecting');
  await page.goto('/login/from/two?code=x&state=us1.state');
  await picture('connected');
  await page.click('a[href^="/account/connections/remove"]');
  await picture('disconnect');
  await page.fill('#password', password);
  await page.click('main .danger');
  check(`after disconnecting one is at ${page.url()}`, page.url().startsWith(base + '/account/connections?note='));
  await page.goto('/account/connections/remove?id=https://gone.example');
  await page.fill('#password', password);
  await page.click('main .danger');
  await picture('disconnect-last');

  for (const reason of ['provider_answer', 'provider_away', 'provider_domain', 'provider_stale', 'account_suspended', 'account_unconnected', 'account_unconnected_email']) {
    await context.clearCookies();
    await page.goto('/login');
    await page.click('button[name="provider"][value="one"]');
    await goes(reason);
    await page.goto(`/login/from/one?code=${reason}&state=us1.state`);
    await picture(reason);
  }
  await page.goto('/login/from/one?code=x&state=another');
  await picture('journey-ended');
  await context.close();
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
try {
  for (const language of ['en', 'ru']) await walk(language, true);
  await walk('en', false);
} finally {
  await browser.close();
}
console.log(`${pictures} pictures`);
process.exitCode = failures.length > 0 ? 1 : 0;
