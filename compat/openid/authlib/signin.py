"""Signs a person in as a program with Authlib does: code flow with PKCE, refresh, introspection, revocation."""

import http.server
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken

env = os.environ
issuer, back = env["ISSUER"], urllib.parse.urlsplit(env["REDIRECT_URI"])


def get(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def wait(start):
    """Waits at the redirect URI for the browser to come back."""
    came = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            came.append(urllib.parse.urlunsplit(back._replace(path="", query="")) + self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"You may close this page.\n")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer((back.hostname, back.port), Handler) as server:
        server.timeout = 60
        start()
        server.handle_request()
    if not came:
        sys.exit("refused: nobody came back")
    return came[0]


def main():
    config = get(issuer + "/.well-known/openid-configuration")
    session = OAuth2Session(
        env["CLIENT_ID"],
        env["CLIENT_SECRET"] or None,
        token_endpoint_auth_method=env["AUTH_METHOD"],
        revocation_endpoint_auth_method=env["AUTH_METHOD"],
        scope="openid profile email offline_access",
        redirect_uri=env["REDIRECT_URI"],
        code_challenge_method="S256",
    )
    verifier, nonce = generate_token(64), generate_token(32)
    url, state = session.create_authorization_url(config["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    answer = wait(lambda: print(url, flush=True))
    tokens = session.fetch_token(
        config["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier
    )
    claims = JsonWebToken(config["id_token_signing_alg_values_supported"]).decode(
        tokens["id_token"],
        JsonWebKey.import_key_set(get(config["jwks_uri"])),
        claims_cls=CodeIDToken,
        claims_options={"iss": {"value": config["issuer"]}, "aud": {"value": env["CLIENT_ID"]}},
        claims_params={"nonce": nonce, "client_id": env["CLIENT_ID"], "access_token": tokens["access_token"]},
    )
    claims.validate()
    info = session.get(config["userinfo_endpoint"]).json()
    out = {
        "subject": claims["sub"],
        "claims": dict(claims),
        "email": info.get("email"),
        "access_token": tokens["access_token"],
        "refresh_token": tokens.get("refresh_token", ""),
    }
    if out["refresh_token"]:
        out["renewed_access_token"] = session.refresh_token(config["token_endpoint"], out["refresh_token"])["access_token"]
    if env["CLIENT_SECRET"]:
        answer = session.introspect_token(config["introspection_endpoint"], token=out["access_token"])
        out["active"] = answer.json()["active"]
    session.revoke_token(config["revocation_endpoint"], token=out["refresh_token"] or out["access_token"]).raise_for_status()
    request = urllib.request.Request(config["userinfo_endpoint"], headers={"Authorization": "Bearer " + out["access_token"]})
    try:
        urllib.request.urlopen(request).close()
        out["alive_after_revocation"] = True
    except urllib.error.HTTPError as refused:
        out["refused_after_revocation"] = refused.code
    print(json.dumps(out))


os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")
try:
    main()
except Exception as refused:  # whatever it was, it is said and fails the run
    sys.exit(f"refused: {type(refused).__name__}: {refused}")
