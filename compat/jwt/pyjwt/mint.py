"""Makes a JWT from the key file named in KEY_FILE, as the documentation's Python sample does (PyJWT)."""

import json
import os
import time

import jwt

with open(os.environ["KEY_FILE"]) as f:
    key = json.load(f)

now = int(time.time())
payload = {
    "aud": "https://iam.api.cloud.yandex.net/iam/v1/tokens",
    "iss": key["service_account_id"],
    "iat": now,
    "exp": now + 3600,
}
print(jwt.encode(payload, key["private_key"], algorithm="PS256", headers={"kid": key["id"]}))
