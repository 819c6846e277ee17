"""Checks an ID token as a relying party with PyJWT does: its key comes from the issuer's key set."""

import json
import os
import sys
import urllib.request

import jwt

issuer, audience, token = os.environ["ISSUER"], os.environ["AUDIENCE"], os.environ["ID_TOKEN"]
with urllib.request.urlopen(issuer + "/.well-known/openid-configuration") as answer:
    config = json.load(answer)
try:
    key = jwt.PyJWKClient(config["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key.key,
        algorithms=config["id_token_signing_alg_values_supported"],
        audience=audience,
        issuer=issuer,
        options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
    )
except jwt.PyJWTError as refused:
    sys.exit(f"refused: {refused}")
json.dump(claims, sys.stdout)
