"""Makes a JWT from the key file named in KEY_FILE with Authlib's RFC 7523 signer: the audience is a list, the life short."""

import json
import os
import time

from authlib.jose import JsonWebToken

with open(os.environ["KEY_FILE"]) as f:
    key = json.load(f)

now = int(time.time())
header = {"typ": "JWT", "alg": "PS256", "kid": key["id"]}
payload = {
    "iss": key["service_account_id"],
    "aud": ["https://iam.api.cloud.yandex.net/iam/v1/tokens"],
    "iat": now,
    "exp": now + 900,
}
print(JsonWebToken(["PS256"]).encode(header, payload, key["private_key"]).decode())
