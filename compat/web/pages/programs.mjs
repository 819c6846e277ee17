// The pages on which people answer programs and devices.
const sdk = 'yc.oauth.public-sdk';
const reports = 'aje0client000reports';
const addresses = { [sdk]: 'http://127.0.0.1:42121/auth/callback', native: 'com.example.app:/back' };

export function asking(client, more = {}) {
  const q = { client_id: client, redirect_uri: addresses[client] ?? 'https://app.example.com/back', response_type: 'code', scope: 'openid', state: 'xyz',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256', ...more };
  return '/oauth/authorize?' + new URLSearchParams(q);
}

// walkPrograms walks them as a person who is signed in.
export async function walkPrograms(page, picture, check, language) {
  await page.goto(asking(sdk, { scope: 'openid offline_access' }));
  await picture('program');
  await page.goto(asking(reports, { scope: 'openid profile email groups reports.read' }));
  await picture('program-asks-more');
  check('one cannot say no', (await page.getAttribute('main .choice a', 'href')).startsWith('https://app.example.com/back?error=access_denied'));
  await page.goto(asking('odd', { scope: 'openid <b>all</b>' }));
  await picture('program-harmful');
  await page.goto(asking(reports, { prompt: 'login' }));
  await picture('sign-in-again');
  await page.goto(asking('nobody'));
  await picture('program-unknown');
  await page.goto(asking(reports, { redirect_uri: 'https://evil.example' }));
  await picture('program-astray');
  await page.goto(asking(reports, { yc_federation_hint: 'bpf0federation000001' }));
  await picture('federation');
  await page.goto(asking('closed', { state: 'page' }));
  await picture('program-closed');
  const code = language === 'ru' ? 'rstv wxzb' : 'bcdf ghjk';
  await page.goto('/device');
  await picture('device');
  await page.fill('#user_code', 'ZZZZ-ZZZZ');
  await page.click('form[action="/device"] button');
  await picture('device-wrong');
  await page.goto('/device?user_code=dddd-dddd');
  await page.click('form[action="/device"] button');
  await picture('device-harmful');
  await page.goto('/device?user_code=' + encodeURIComponent(code));
  check('a code is sent by itself', await page.inputValue('#user_code') === code);
  await page.click('form[action="/device"] button');
  await picture('device-consent');
  await page.click('button[value="allow"]');
  await picture('device-done');

  await page.goto('/account/programs');
  await picture('programs');
  await page.goto('/account/programs?page=more');
  await picture('programs-harmful');
  await page.goto('/account/programs');
  await page.click(`a[href="/account/programs/remove?id=${reports}"]`);
  await picture('program-remove');
  await page.click('main .danger');
  await picture('program-removed');
  await page.goto('/oauth/logout?client_id=' + reports);
  await picture('program-sign-out');
  await page.goto('/oauth/logout?post_logout_redirect_uri=https%3A%2F%2Fevil.example');
  await picture('sign-out-astray');
}

// leave answers a program that has a scheme of its own, which leads nowhere here:
// the page stays from which one goes on. The browser takes no more forms after that.
export async function leave(page, picture) {
  await page.goto(asking('native', { scope: 'openid' }));
  await page.click('main .primary');
  await page.waitForSelector('a[href^="com.example.app:/back?code="]');
  await picture('leaving');
}

// goBack answers programs that listen, in every way there is to come to the
// answer; the programs send the browser on to yet another site.
export async function goBack(newPage, signIn, check, base) {
  for (const address of process.env.PROGRAMS.split(' ')) {
    for (const javaScriptEnabled of [true, false]) {
      const page = await newPage('en', { ignoreHTTPSErrors: true, javaScriptEnabled });
      const home = async (what, want) => {
        await page.waitForURL((u) => u.origin !== base && u.pathname === '/', { timeout: 10000 }).catch(() => {});
        const u = new URL(page.url());
        check(`${what} ends at ${u} for ${address}`, u.origin !== base && u.searchParams.has(want) && u.searchParams.get('state') === 'xyz');
      };
      await signIn(page, 'alice', asking('trusted', { redirect_uri: address }));
      await home('signing in', 'code');
      await page.goto(asking('trusted', { redirect_uri: address }));
      await home('being signed in', 'code');
      await page.goto(asking(reports, { redirect_uri: address }));
      await page.click('main .primary');
      await home('allowing', 'code');
      await page.goto(asking(reports, { redirect_uri: address }));
      await page.click('main .choice a');
      await home('denying', 'error');
      await page.goto('/oauth/logout?state=xyz&client_id=' + reports + '&post_logout_redirect_uri=' + encodeURIComponent(address));
      await page.click('main .primary');
      await home('signing out', 'state');
      await page.context().close();
    }
  }
}
