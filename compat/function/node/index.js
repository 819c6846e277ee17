// Calls the API with the Node.js SDK and the token of a function's context.
const fs = require('node:fs');
const path = require('node:path');

const dist = path.dirname(require.resolve('@yandex-cloud/nodejs-sdk'));
const endpoints = require(path.join(dist, 'service-endpoints-map.json'));
for (const service of Object.keys(endpoints)) endpoints[service] = process.env.ENDPOINT;

const { Session } = require('@yandex-cloud/nodejs-sdk');
const { serviceAccountService } = require('@yandex-cloud/nodejs-sdk/iam-v1');

exports.handler = async (event, context) => {
  const session = new Session({ iamToken: context.token.access_token, ssl: { rootCerts: fs.readFileSync(process.env.CA_FILE) } });
  const accounts = session.client(serviceAccountService.ServiceAccountServiceClient);
  const request = serviceAccountService.GetServiceAccountRequest.fromPartial({ serviceAccountId: process.env.SERVICE_ACCOUNT_ID });
  return (await accounts.get(request)).id;
};
