// Signs a person in as a Node.js program does, with openid-client, which its
// authors have certified: code flow with PKCE, with DPoP when DPOP is set, and
// the device flow when FLOW is "device".
import http from 'node:http'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AUTH_METHOD, FLOW, DPOP } = process.env
const ways = {
  client_secret_basic: () => client.ClientSecretBasic(CLIENT_SECRET),
  client_secret_post: () => client.ClientSecretPost(CLIENT_SECRET),
  none: () => client.None(),
}
const scope = 'openid profile email offline_access'

async function main() {
  const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, ways[AUTH_METHOD](), { execute: [client.allowInsecureRequests] })
  const DPoP = DPOP ? client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) : undefined
  const tokens = FLOW === 'device' ? await byDevice(config, DPoP) : await byCode(config, DPoP)
  const claims = tokens.claims()
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const out = { subject: claims.sub, claims, email: info.email, access_token: tokens.access_token, refresh_token: tokens.refresh_token ?? '' }
  if (tokens.refresh_token) {
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
    out.renewed_access_token = renewed.access_token
    if (DPoP) {
      try {
        await client.refreshTokenGrant(config, tokens.refresh_token)
        out.refreshed_without_proof = true
      } catch (refused) {
        out.refused_without_proof = refused.error
      }
    }
  }
  if (CLIENT_SECRET) {
    out.active = (await client.tokenIntrospection(config, tokens.access_token)).active
  }
  await client.tokenRevocation(config, tokens.refresh_token ?? tokens.access_token)
  try {
    await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    out.alive_after_revocation = true
  } catch (refused) {
    out.refused_after_revocation = refused.cause?.status ?? refused.status
  }
  console.log(JSON.stringify(out))
}

async function byCode(config, DPoP) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const parameters = {
    redirect_uri: REDIRECT_URI, scope, state: expectedState, nonce: expectedNonce, max_age: '3600',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  }
  if (DPoP) parameters.dpop_jkt = await DPoP.calculateThumbprint()
  const back = new URL(REDIRECT_URI)
  const answered = new Promise((resolve) => {
    const server = http.createServer((request, response) => {
      response.end('You may close this page.\n')
      resolve(new URL(request.url, back))
      server.close()
    })
    server.listen(Number(back.port), back.hostname, () => console.log(client.buildAuthorizationUrl(config, parameters).href))
    setTimeout(() => { console.error('refused: nobody came back'); process.exit(1) }, 60_000).unref()
  })
  return client.authorizationCodeGrant(config, await answered, { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 3600, idTokenExpected: true }, undefined, { DPoP })
}

async function byDevice(config, DPoP) {
  const waiting = await client.initiateDeviceAuthorization(config, { scope })
  console.log(waiting.verification_uri_complete)
  return client.pollDeviceAuthorizationGrant(config, waiting, undefined, { DPoP })
}

main().catch((refused) => {
  console.error('refused:', refused.message, refused.code ?? '', refused.error ?? '', refused.error_description ?? '', refused.cause?.message ?? '')
  process.exit(1)
})
