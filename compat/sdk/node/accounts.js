// Takes a service account and its key through their whole life with the Node.js
// SDK, over TLS.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

// The SDK knows no endpoint setting and does no discovery: addresses stand in a
// table of the package. A session can override them for a client, but not for
// signing in, so its users change the table. The package exports no path to it,
// hence the way round by the file's own.
const table = path.join(path.dirname(require.resolve('@yandex-cloud/nodejs-sdk')), 'service-endpoints-map.json');
const endpoints = require(table);
for (const service of Object.keys(endpoints)) endpoints[service] = process.env.ENDPOINT;

const { Session, waitForOperation } = require('@yandex-cloud/nodejs-sdk');
const { serviceAccount, serviceAccountService, key, keyService, yandexPassportUserAccountService } = require('@yandex-cloud/nodejs-sdk/iam-v1');

const { FOLDER_ID, ACCOUNT_NAME } = process.env;
const keyFile = JSON.parse(fs.readFileSync(process.env.KEY_FILE, 'utf8'));

const session = new Session({
  serviceAccountJson: {
    serviceAccountId: keyFile.service_account_id,
    accessKeyId: keyFile.id,
    privateKey: keyFile.private_key,
  },
  ssl: { rootCerts: fs.readFileSync(process.env.CA_FILE) },
  pollInterval: 100,
});
const accounts = session.client(serviceAccountService.ServiceAccountServiceClient);
const keys = session.client(keyService.KeyServiceClient);

// An answer with headers before its status becomes an ApiError, which keeps the
// status in its text alone.
const isNotFound = (error) => error.code === 5 || /NOT_FOUND/.test(error.message);

const createAccount = async () => {
  const op = await accounts.create(serviceAccountService.CreateServiceAccountRequest.fromPartial({
    folderId: FOLDER_ID,
    name: ACCOUNT_NAME,
    description: 'made by nodejs-sdk',
  }));
  const { serviceAccountId } = serviceAccountService.CreateServiceAccountMetadata.decode(op.metadata.value);
  const done = await waitForOperation(op, session, 60000);
  const account = serviceAccount.ServiceAccount.decode(done.response.value);
  assert.ok(account.id);
  assert.equal(account.id, serviceAccountId);
  assert.equal(account.name, ACCOUNT_NAME);
  assert.equal(account.folderId, FOLDER_ID);
  assert.ok(account.createdAt);

  const page = await accounts.list(serviceAccountService.ListServiceAccountsRequest.fromPartial({
    folderId: FOLDER_ID,
    filter: `name="${ACCOUNT_NAME}"`,
  }));
  assert.deepEqual(page.serviceAccounts.map((found) => found.id), [account.id]);
  return account;
};

const useKey = async (account) => {
  const created = await keys.create(keyService.CreateKeyRequest.fromPartial({ serviceAccountId: account.id }));
  assert.match(created.privateKey, /-----BEGIN PRIVATE KEY-----/);
  const keyId = created.key.id;
  const got = await keys.get(keyService.GetKeyRequest.fromPartial({ keyId }));
  assert.equal(got.serviceAccountId, account.id);
  assert.equal(got.keyAlgorithm, key.Key_Algorithm.RSA_2048);
  assert.ok(got.publicKey);
  const page = await keys.list(keyService.ListKeysRequest.fromPartial({ serviceAccountId: account.id }));
  assert.deepEqual(page.keys.map((found) => found.id), [keyId]);

  await waitForOperation(await keys.delete(keyService.DeleteKeyRequest.fromPartial({ keyId })), session, 60000);
  await assert.rejects(keys.get(keyService.GetKeyRequest.fromPartial({ keyId })), isNotFound);
};

const deleteAccount = async ({ id: serviceAccountId }) => {
  const op = await accounts.delete(serviceAccountService.DeleteServiceAccountRequest.fromPartial({ serviceAccountId }));
  await waitForOperation(op, session, 60000);
  await assert.rejects(
    accounts.get(serviceAccountService.GetServiceAccountRequest.fromPartial({ serviceAccountId })),
    isNotFound,
  );
};

// Calls as a person, alice, whose OAuth token the SDK exchanges.
const asPerson = async () => {
  const account = async (oauthToken) => {
    const own = new Session({ oauthToken, ssl: { rootCerts: fs.readFileSync(process.env.CA_FILE) } });
    const users = own.client(yandexPassportUserAccountService.YandexPassportUserAccountServiceClient);
    const found = await users.getByLogin(
      yandexPassportUserAccountService.GetUserAccountByLoginRequest.fromPartial({ login: 'alice' }),
    );
    return found.yandexPassportUserAccount;
  };
  const token = process.env.OAUTH_TOKEN;
  const alice = await account(token);
  assert.equal(alice.login, 'alice');
  assert.ok(alice.defaultEmail);
  await assert.rejects(account(token.slice(0, -1)), /OAuth token is invalid or expired/);
};

const main = async () => {
  const account = await createAccount();
  await useKey(account);
  await asPerson();
  await deleteAccount(account);
};

// The SDK never closes its channels, so the program ends itself.
main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
