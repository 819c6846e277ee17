"""Checks an ID token as a relying party with Authlib does, by the rules of OpenID Connect."""

import json
import os
import sys
import urllib.request

from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError
from authlib.oidc.core import IDToken
from joserfc.errors import JoseError as ClaimsError  # Authlib's claims are checked by joserfc

issuer, audience, token = os.environ["ISSUER"], os.environ["AUDIENCE"], os.environ["ID_TOKEN"]


def get(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


config = get(issuer + "/.well-known/openid-configuration")
keys = JsonWebKey.import_key_set(get(config["jwks_uri"]))
try:
    claims = JsonWebToken(config["id_token_signing_alg_values_supported"]).decode(
        token,
        keys,
        claims_cls=IDToken,
        claims_options={
            "iss": {"essential": True, "value": config["issuer"]},
            "aud": {"essential": True, "value": audience},
        },
    )
    claims.validate()
except (JoseError, ClaimsError, ValueError) as refused:
    sys.exit(f"refused: {refused}")
json.dump(claims, sys.stdout)
