// Makes a JWT from the key file named in KEY_FILE, as the documentation's
// Node.js sample does (node-jose).
const fs = require('fs');
const jose = require('node-jose');

const json = JSON.parse(fs.readFileSync(process.env.KEY_FILE, 'utf8'));

// node-jose hands the whole text to node-forge, which stumbles over the warning
// line in front of the PEM block; its users take that line off.
const pem = json.private_key.slice(json.private_key.indexOf('-----BEGIN'));

const now = Math.floor(Date.now() / 1000);
const payload = {
  aud: 'https://iam.api.cloud.yandex.net/iam/v1/tokens',
  iss: json.service_account_id,
  iat: now,
  exp: now + 3600,
};

jose.JWK.asKey(pem, 'pem', { kid: json.id, alg: 'PS256' })
  .then((key) => jose.JWS.createSign({ format: 'compact' }, key).update(JSON.stringify(payload)).final())
  .then((jwt) => console.log(jwt))
  .catch((err) => {
    console.error(err);
    process.exit(1);
  });
