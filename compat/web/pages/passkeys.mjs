// Goes through the life of a passkey with the browser's own virtual authenticator,
// on a whole server at BASE_URL: made, used alone and after a password, renamed,
// removed. Leaves pictures in SCREENSHOTS; fails when axe-core, the console or a
// step is a reason to.
import { mkdirSync, rmSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { BASE_URL: base, SCREENSHOTS: folder, CHROMIUM: executablePath, PASSWORD: password } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const failures = [];
let pictures = 0;
const check = (what, ok) => { if (!ok) { failures.push(what); console.error(what); } };
const at = (page) => new URL(page.url()).pathname;

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });

async function newPage(language, options = {}) {
  const context = await browser.newContext({ baseURL: base, locale: language === 'ru' ? 'ru-RU' : 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on('pageerror', (e) => check(`a script fails: ${e}`, false));
  page.on('console', (m) => check(`the console says: ${m.text()}`, m.type() !== 'error' || /status of 4\d\d/.test(m.text())));
  return page;
}

// device plugs an authenticator in that verifies its person without a word.
async function device(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  return { cdp, authenticatorId };
}

async function look(page, name) {
  for (const [size, viewport] of Object.entries({ phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 860 } })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(`${name}-${size}: wider than the screen by ${over}`, over <= 0);
      await page.evaluate(axe);
      const found = await page.evaluate(async (values) => (await window.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] }))
        .violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.target.join(' ')).join('; ')}`), tags);
      for (const v of found) check(`${name}-${colorScheme}-${size}: axe ${v}`, false);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${size}.png`), fullPage: true });
      pictures++;
    }
  }
}

async function withPassword(page) {
  await page.goto('/login');
  await page.fill('#login', 'alice');
  await page.fill('#password', password);
  await page.click('form[action="/login"] button');
}

async function signOut(page) {
  await page.goto('/logout');
  await page.click('main button');
  await page.waitForURL((url) => url.pathname === '/login');
}

async function add(page, name, picture) {
  await page.goto('/account/second-factor');
  await page.click('a[href="/account/passkeys/add"]');
  await picture?.('passkey-add');
  await page.fill('#password', password);
  await page.click('form[action="/account/passkeys/add"] .primary');
  await picture?.('passkey-new');
  await page.fill('#name', name);
  await page.click('form[action="/account/passkeys/create"] .primary');
}

async function walk(language) {
  const page = await newPage(language);
  const { cdp, authenticatorId } = await device(page);
  // Here the button is looked at; what the login's field offers has a walk of its own.
  await page.addInitScript(() => { PublicKeyCredential.isConditionalMediationAvailable = async () => false; });
  const picture = (name) => look(page, `${name}-${language}`);
  await page.goto('/login');
  await picture('sign-in');
  await page.click('form[action="/login/passkey"] button'); // there is none yet
  await page.waitForSelector('form[action="/login/passkey"] [data-failed]:not([hidden])');
  await picture('sign-in-none');
  await withPassword(page);
  check(`the password leads to ${at(page)}`, at(page) === '/account');
  await page.goto('/account/second-factor');
  await picture('passkeys-none');
  await add(page, 'Blue key', picture);
  await page.waitForSelector('#codes');
  check('there are no recovery codes', await page.locator('#codes li').count() === 10);
  await picture('passkey-codes');
  await page.goto('/account/second-factor');
  await picture('passkeys');
  check('the passkey is not listed', (await page.textContent('main')).includes('Blue key'));
  await page.click('a[href="/account/second-factor/codes"]');
  await picture('codes-renew');
  await page.fill('#password', password);
  await page.click('form[action="/account/second-factor/codes"] .primary');
  check('there are no new recovery codes', await page.locator('#codes li').count() === 10);
  await picture('codes-renewed');
  await page.goto('/account');
  await picture('account-passkey');

  await add(page, 'Another'); // the same device makes no second one
  await page.waitForSelector('[data-already]:not([hidden])');
  await picture('passkey-already');

  await signOut(page);
  await page.click('form[action="/login/passkey"] button');
  await page.waitForURL((url) => url.pathname === '/account');
  await signOut(page);
  await page.goto('/login?return=%2Faccount%2Fsessions');
  await page.click('form[action="/login/passkey"] button');
  await page.waitForURL((url) => url.pathname === '/account/sessions');
  await signOut(page);

  await withPassword(page);
  check(`the password alone leads to ${at(page)}`, at(page) === '/login/code');
  await page.waitForSelector('form[data-passkey]:not([hidden])');
  check('a code of an app is asked for', await page.locator('#code').count() === 0);
  await picture('second-factor-passkey');
  await page.click('.aside a');
  await page.waitForSelector('#recovery_code');
  await page.click('.aside a');
  await page.click('form[action="/login/code/passkey"] button');
  await page.waitForURL((url) => url.pathname === '/account');

  await page.goto('/account/second-factor');
  await page.click('a[href^="/account/passkeys/rename"]');
  await picture('passkey-rename');
  await page.fill('#name', 'Old <b>key</b>');
  await page.click('form[action="/account/passkeys/rename"] .primary');
  check('the name is not shown as it is', (await page.textContent('main')).includes('Old <b>key</b>'));
  await page.click('a[href^="/account/passkeys/remove"]');
  await picture('passkey-remove');
  await page.fill('#password', 'not this one');
  await page.click('form[action="/account/passkeys/remove"] .danger');
  await page.waitForSelector('#password-mistake');
  await page.fill('#password', password);
  await page.click('form[action="/account/passkeys/remove"] .danger');
  check('the passkey is listed still', !(await page.textContent('main')).includes('Old <b>key</b>'));
  await signOut(page);
  await page.click('form[action="/login/passkey"] button'); // the device has it still
  await page.waitForSelector('main > .card > .wrong');
  await picture('sign-in-passkey-wrong');
  await withPassword(page);
  check(`after removing, the password leads to ${at(page)}`, at(page) === '/account');
  await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
  await page.context().close();
}

// The field of the login offers passkeys.
async function offered() {
  const page = await newPage('en');
  const { cdp } = await device(page);
  check('the field offers no passkeys', await page.goto('/login').then(() => page.getAttribute('#login', 'autocomplete')) === 'username webauthn');
  await withPassword(page);
  await add(page, 'Offered');
  await page.waitForSelector('#codes');
  await page.goto('/logout');
  await page.click('main button');
  await page.waitForURL((url) => url.pathname === '/account'); // the virtual authenticator picks the only one
  await page.goto('/account/second-factor');
  await page.click('a[href^="/account/passkeys/remove"]');
  await page.fill('#password', password);
  await page.click('form[action="/account/passkeys/remove"] .danger');
  await cdp.detach();
  await page.context().close();
}

// At another address than its own, and without scripts, a page says why not.
async function elsewhere() {
  const address = base.replace('localhost', '127.0.0.1');
  for (const options of [{ baseURL: address }, { javaScriptEnabled: false }]) {
    const page = await newPage('en', options);
    await page.goto('/login');
    check('a button is shown that does nothing', !await page.isVisible('form[action="/login/passkey"] button'));
    await withPassword(page);
    check(`elsewhere the password leads to ${at(page)}`, at(page) === '/account');
    await page.goto('/account/second-factor');
    check('a passkey can be added where it would not work', !await page.isVisible('a[href="/account/passkeys/add"]'));
    check('nobody says where passkeys work', (await page.innerText('main')).includes(base));
    if (options.baseURL) await look(page, 'passkeys-elsewhere'); // axe is a script, too
    await page.context().close();
  }
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
try {
  for (const language of ['en', 'ru']) await walk(language);
  await offered();
  await elsewhere();
} catch (e) {
  check(String(e.stack), false);
} finally {
  await browser.close();
}
console.log(`${pictures} pictures`);
process.exitCode = failures.length > 0 ? 1 : 0;
