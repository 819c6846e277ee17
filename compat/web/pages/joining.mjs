// The pages of people who cannot sign in yet, or not any more.
export async function walkJoining(page, picture, check) {
  const path = () => new URL(page.url()).pathname;
  await page.goto('/login');
  await page.click('a[href="/forgot"]');
  await picture('forgot');
  await page.fill('#login', 'alice');
  await page.click('form[action="/forgot"] button');
  check('asking for a link shows no answer', page.url().endsWith('/forgot?sent=yes'));
  await picture('forgot-sent');

  await page.goto('/login');
  await page.click('a[href="/sign-up"]');
  await picture('sign-up');
  await page.fill('#email', 'x@evil.example');
  await page.click('form[action="/sign-up"] button');
  await picture('sign-up-wrong');
  await page.fill('#email', 'carol@example.com');
  await page.click('form[action="/sign-up"] button');
  check('asking for an account shows no answer', page.url().endsWith('/sign-up?sent=yes'));
  await picture('sign-up-sent');

  await page.goto('/join');
  await picture('join-without-link');
  await page.goto('/join?invitation=used');
  await picture('join-over');
  await page.goto('/join?invitation=invitation-of-carol');
  await picture('join');
  await page.fill('#login', 'alice');
  await page.fill('#name', 'Carol');
  for (const field of ['#new_password', '#again']) await page.fill(field, 'seven odd little teapots');
  await page.click('form[action="/join"] button');
  await picture('join-wrong');
  check('the login that is taken has no cursor', await page.evaluate(() => document.activeElement.id) === 'login');
  await page.fill('#login', 'nobody');
  for (const field of ['#new_password', '#again']) await page.fill(field, 'seven odd little teapots');
  await page.click('form[action="/join"] button');
  check(`joining leads to ${path()}`, path() === '/account');
  await page.context().clearCookies();
}
