// Walks every page at BASE_URL as a person does, in both languages, both themes
// and two sizes; leaves a picture of each in SCREENSHOTS and fails when axe-core,
// the browser's console, a request to elsewhere or a page too wide is a reason to.
import { mkdirSync, rmSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { walkJoining } from './joining.mjs';
import { goBack, leave, walkPrograms } from './programs.mjs';

const { BASE_URL: base, SCREENSHOTS: folder, CHROMIUM: executablePath } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const password = 'three blue teapots';
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 860 } };
const themes = ['light', 'dark'];
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const consent = '/authorize?response_type=token&client_id=1a6990aa636648e9b2ef855fa7bec2fb';

const failures = [];
let pictures = 0;
const fail = (text) => { failures.push(text); console.error(text); };
const check = (what, ok) => { if (!ok) fail(what); };

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });

async function newPage(language, options = {}) {
  const context = await browser.newContext({ baseURL: base, locale: language === 'ru' ? 'ru-RU' : 'en-GB', viewport: sizes.desktop, bypassCSP: false, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  if (!options.ignoreHTTPSErrors) { // else it goes to programs elsewhere
    page.on('request', (r) => check(`a request to ${r.url()}`, r.url().startsWith(base + '/') || r.url().startsWith('data:')));
  }
  page.on('console', (m) => {
    const status = /status of (\d+)/.exec(m.text()); // of forms refused on purpose
    if (m.type() === 'error' && !(status && Number(status[1]) < 600)) fail(`the console says: ${m.text()} at ${page.url()}`);
  });
  page.on('pageerror', (e) => fail(`a script fails: ${e}`));
  return page;
}

// look takes the pictures of a page and has it checked.
async function look(page, language, name) {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const theme of themes) {
      await page.emulateMedia({ colorScheme: theme });
      const at = `${name}-${language}-${theme}-${size}`;
      check(`${at}: lang is not ${language}`, await page.getAttribute('html', 'lang') === language);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(`${at}: wider than the screen by ${over}`, over <= 0);
      const found = await runAxe(page);
      for (const v of found) fail(`${at}: axe ${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join('; ')}`);
      await page.screenshot({ path: join(folder, `${at}.png`), fullPage: true });
      pictures++;
    }
  }
}

// axe runs in the page by the debugger's door: the page's own policy would let no
// script in.
async function runAxe(page) {
  await page.evaluate(axe);
  return page.evaluate(async (values) => {
    const result = await window.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] });
    return result.violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ target, any }) => ({ target, any })) }));
  }, tags);
}

async function signIn(page, login, path = '/login') {
  await page.goto(path);
  await page.fill('#login', login);
  await page.fill('#password', password);
  await page.click('form[action="/login"] button');
}

async function walk(language) {
  const page = await newPage(language);
  const picture = (name) => look(page, language, name);

  await page.goto('/login');
  await picture('sign-in');
  await page.fill('#login', 'alice');
  await page.fill('#password', 'wrong');
  await page.click('form[action="/login"] button');
  await picture('sign-in-wrong');
  check('the wrong password stays in the form', await page.inputValue('#password') === '');
  await signIn(page, 'locked');
  await picture('sign-in-locked');
  await page.goto('/account');
  check('a stranger is not asked to sign in', new URL(page.url()).pathname === '/login');
  await page.goto('/reset?token=reset-link-of-alice');
  await picture('reset');
  await page.fill('#new_password', 'short');
  await page.fill('#again', 'shorter');
  await page.click('form[action="/reset"] button');
  await picture('reset-wrong');
  await page.goto('/reset');
  await picture('reset-without-link');
  await walkJoining(page, picture, check);

  await signIn(page, 'bob');
  await picture('second-factor');
  await page.fill('#code', '111111');
  await page.click('form[action="/login/code"] button');
  await picture('second-factor-wrong');
  await page.click('.aside a');
  await picture('recovery-code');
  await page.fill('#recovery_code', 'k7wq-3mzd-x9fa');
  await page.click('form[action="/login/code"] button');
  await picture('account-second-factor');
  await page.goto('/account/second-factor');
  await picture('second-factor-on');
  await page.click('a[href="/account/second-factor/remove"]');
  await picture('second-factor-remove');
  await page.goto('/logout');
  await picture('sign-out');
  await page.click('main button');
  await picture('signed-out');

  await signIn(page, 'alice', '/login?return=%2Faccount%2Fsessions');
  await picture('sessions');
  await page.click('form[action="/account/sessions/end-others"] button');
  await picture('sessions-ended');
  await page.goto('/account');
  await picture('account');
  await page.goto('/account/tokens');
  await picture('tokens');
  await page.click('a[href^="/account/tokens/end"]');
  await picture('token-end');
  await page.check('#also');
  await page.click('.danger');
  await picture('token-ended');
  await page.goto('/account/password');
  await picture('password');
  await page.fill('#password', 'not this one');
  await page.fill('#new_password', 'short');
  await page.fill('#again', 'short');
  await page.click('form[action="/account/password"] button');
  await picture('password-wrong');
  await page.goto('/account/second-factor');
  await picture('second-factor-off');
  await page.fill('#password', password);
  await page.click('form[action="/account/second-factor"] button');
  await picture('app');
  await page.fill('#code', '654321');
  await page.click('form[action="/account/second-factor/confirm"] .primary');
  await picture('app-wrong');
  await page.fill('#code', '123456');
  await page.click('form[action="/account/second-factor/confirm"] .primary');
  await picture('recovery-codes');

  await page.goto(consent);
  await picture('consent');
  await page.click('main .primary');
  await picture('token');
  await walkPrograms(page, picture, check, language);
  await page.goto('/account/nowhere');
  await picture('not-found');
  await page.goto('/authorize?response_type=token&client_id=somebody');
  await picture('unknown-client');
  await page.context().close();

  const odd = await newPage(language);
  await signIn(odd, 'odd');
  await look(odd, language, 'harmful-name');
  await odd.context().close();
  const away = await newPage(language, { ignoreHTTPSErrors: true });
  await signIn(away, 'alice');
  await away.waitForURL(base + '/account');
  await leave(away, (name) => look(away, language, name));
  await away.context().close();
  const nobody = await newPage(language);
  await signIn(nobody, 'nobody');
  await look(nobody, language, 'account-empty');
  await nobody.goto('/account/tokens');
  await look(nobody, language, 'tokens-empty');
  await nobody.goto('/account/programs');
  await look(nobody, language, 'programs-empty');
  await nobody.context().close();
}

// The token is copied by its button, and no way back leads to it.
async function copyToken() {
  const page = await newPage('en', { permissions: ['clipboard-read', 'clipboard-write'] });
  await signIn(page, 'alice', '/login?return=' + encodeURIComponent(consent));
  check(`after signing in one is at ${page.url()}`, page.url() === base + '/authorize?client_id=1a6990aa636648e9b2ef855fa7bec2fb&response_type=token');
  await page.click('main .primary');
  const token = (await page.textContent('#token')).trim();
  check('no token is shown', token.startsWith('y0_'));
  await page.click('.copy');
  await page.waitForFunction(() => document.querySelector('.copy').textContent === 'Copied');
  check('the clipboard does not hold the token', await page.evaluate(() => navigator.clipboard.readText()) === token);
  await page.goto('/account');
  await page.goBack({ timeout: 3000 }).catch(() => {}); // the answer to a form is not kept: the browser has nothing to show
  for (let i = 0; i < 4; i++) {
    check('the way back shows the token', !(await page.content().catch(() => '')).includes(token));
    await page.waitForTimeout(250);
  }
  await page.context().close();
}

// The keyboard alone signs in, and a mistake has the cursor.
async function keyboard() {
  const page = await newPage('en');
  const focused = () => page.evaluate(() => document.activeElement.id);
  await page.goto('/login');
  check(`the cursor is in ${await focused()}`, await focused() === 'login');
  await page.keyboard.type('alice');
  await page.keyboard.press('Tab');
  check(`after the login comes ${await focused()}`, await focused() === 'password');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL(base + '/account');
  await page.keyboard.press('Tab');
  check('the first stop is not the way to the content', await page.evaluate(() => document.activeElement.className) === 'skip');
  await page.keyboard.press('Enter');
  check(`the way to the content leads to ${await focused()}`, await focused() === 'content');
  await page.goto('/account/password');
  await page.fill('#password', 'not this one');
  await page.fill('#new_password', 'a quite different word');
  await page.fill('#again', 'a quite different word');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#password-mistake');
  check(`the mistake's field is not ${await focused()}`, await focused() === 'password');
  check('the mistake is not tied to its field', (await page.getAttribute('#password', 'aria-describedby')).includes('password-mistake'));
  await page.context().close();
}

// Everything is there without scripts; the language is a choice.
async function withoutScripts() {
  const page = await newPage('en', { javaScriptEnabled: false });
  await page.goto('/login');
  await page.click('button[lang="ru"]');
  check('the language is not changed', await page.getAttribute('html', 'lang') === 'ru');
  await signIn(page, 'alice', '/login?return=' + encodeURIComponent(consent));
  await page.click('main .primary');
  check('there is no token without scripts', (await page.textContent('#token')).startsWith('y0_'));
  check('a button that does nothing is shown', !(await page.isVisible('.copy')));
  await page.click('form[action="/logout"] button');
  check('one is not signed out', new URL(page.url()).pathname === '/login');
  await page.context().close();
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
try {
  await Promise.all(['en', 'ru'].map(walk));
  await copyToken();
  await keyboard();
  await withoutScripts();
  await goBack(newPage, signIn, check, base);
} finally {
  await browser.close();
}
console.log(`${pictures} pictures`);
process.exitCode = failures.length > 0 ? 1 : 0;
