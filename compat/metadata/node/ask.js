// Calls the API with the Node.js SDK and the token that the metadata address
// gives. A session asks 169.254.169.254 and nowhere else; another address is told
// to its token service alone.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const dist = path.dirname(require.resolve('@yandex-cloud/nodejs-sdk'));
const endpoints = require(path.join(dist, 'service-endpoints-map.json'));
for (const service of Object.keys(endpoints)) endpoints[service] = process.env.ENDPOINT;

const { Session } = require('@yandex-cloud/nodejs-sdk');
const { serviceAccountService } = require('@yandex-cloud/nodejs-sdk/iam-v1');
const { MetadataTokenService } = require(path.join(dist, 'token-service', 'metadata-token-service.js'));

const { METADATA, SERVICE_ACCOUNT_ID } = process.env;

(async () => {
  const tokens = new MetadataTokenService(`http://${METADATA}/computeMetadata/v1/instance/service-accounts/default/token`);
  const session = new Session({ iamToken: await tokens.getToken(), ssl: { rootCerts: fs.readFileSync(process.env.CA_FILE) } });
  const accounts = session.client(serviceAccountService.ServiceAccountServiceClient);
  const account = await accounts.get(serviceAccountService.GetServiceAccountRequest.fromPartial({ serviceAccountId: SERVICE_ACCOUNT_ID }));
  assert.equal(account.id, SERVICE_ACCOUNT_ID);

  const nobody = new MetadataTokenService(`http://${METADATA}/computeMetadata/v1/instance/service-accounts/nobody/token`);
  await assert.rejects(nobody.getToken(), /404/);
  process.exit(0); // the SDK's timer would keep it for half a minute
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
