'use strict';
// Passkeys: a form that holds a challenge asks the browser for an answer, and
// sends it. Without this script, or where passkeys do not work, it stays hidden.
const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const textOf = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const known = (list) => (list ?? []).map(({ id, transports }) => ({ type: 'public-key', id: bytesOf(id), transports: transports ?? [] }));

function optionsOf(ask) {
  if (ask.kind === 'get') {
    return { challenge: bytesOf(ask.challenge), rpId: ask.site, allowCredentials: known(ask.known), userVerification: ask.verify, timeout: ask.timeout };
  }
  return {
    challenge: bytesOf(ask.challenge), rp: { id: ask.site, name: ask.title }, timeout: ask.timeout, attestation: 'none',
    user: { id: bytesOf(ask.user), name: ask.login, displayName: ask.name },
    pubKeyCredParams: ask.algorithms.map((alg) => ({ type: 'public-key', alg })),
    excludeCredentials: known(ask.known),
    authenticatorSelection: { residentKey: ask.verify, userVerification: ask.verify },
  };
}

// send fills the form with the browser's answer. Its fields go as they are named.
function send(form, { id, response }) {
  const fill = (name, value) => { if (form.elements[name]) form.elements[name].value = value; };
  fill('credential_id', id);
  fill('client_data', textOf(response.clientDataJSON));
  if (response.attestationObject) {
    fill('attestation', textOf(response.attestationObject));
    fill('transports', (response.getTransports?.() ?? []).join(' '));
  } else {
    fill('authenticator_data', textOf(response.authenticatorData));
    fill('signature', textOf(response.signature));
    fill('user_handle', response.userHandle ? textOf(response.userHandle) : '');
  }
  form.submit();
}

// Passkeys are of a site, by its name, and pages at another address cannot use them.
const worksFor = ({ origins }) => Boolean(window.PublicKeyCredential) && origins.includes(location.origin);

function reveal(element, works) {
  element.hidden = !works;
  for (const word of document.querySelectorAll('[data-passkey-elsewhere]')) word.hidden = works;
}

for (const link of document.querySelectorAll('[data-passkey-link]')) reveal(link, worksFor(JSON.parse(link.dataset.passkeyLink)));

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const ask = JSON.parse(form.dataset.passkey);
  const [failed, already] = ['failed', 'already'].map((word) => form.querySelector(`[data-${word}]`));
  let waiting = null; // what has asked before the button was pressed
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    waiting?.abort();
    failed.hidden = already.hidden = true;
    try {
      const publicKey = optionsOf(ask);
      send(form, await (ask.kind === 'get' ? navigator.credentials.get({ publicKey }) : navigator.credentials.create({ publicKey })));
    } catch (error) {
      (error.name === 'InvalidStateError' ? already : failed).hidden = false;
    }
  });
  reveal(form, worksFor(ask));
  if (form.hidden || !ask.offer) continue;
  // The login's field offers passkeys, too, where the browser can do that.
  (async () => {
    if (!await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
    waiting = new AbortController();
    send(form, await navigator.credentials.get({ publicKey: optionsOf(ask), mediation: 'conditional', signal: waiting.signal }));
  })().catch(() => {}); // nobody has asked for anything
}
