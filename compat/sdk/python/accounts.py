"""Takes a service account and a key of every kind through their whole life with the Python SDK, over TLS.

SDK(endpoint=..., root_certificates=...) is all that its users must say: discovery goes to that endpoint, signing in
to the address that discovery names for "iam", and the JWT's audience is https://iam.<endpoint>/iam/v1/tokens.
"""

import json
import os
import re
import time

import grpc
import yandexcloud
from google.protobuf.duration_pb2 import Duration
from yandex.cloud.iam.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    DeleteApiKeyMetadata,
    DeleteApiKeyRequest,
    GetApiKeyRequest,
    ListApiKeyScopesRequest,
    ListApiKeysRequest,
)
from yandex.cloud.iam.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from yandex.cloud.iam.v1.awscompatibility.access_key_service_pb2 import (
    CreateAccessKeyRequest,
    DeleteAccessKeyMetadata,
    DeleteAccessKeyRequest,
    GetAccessKeyRequest,
    ListAccessKeysRequest,
)
from yandex.cloud.iam.v1.awscompatibility.access_key_service_pb2_grpc import AccessKeyServiceStub
from yandex.cloud.iam.v1.awscompatibility.temporary_access_key_service_pb2 import CreateEphemeralAccessKeyRequest
from yandex.cloud.iam.v1.awscompatibility.temporary_access_key_service_pb2_grpc import TemporaryAccessKeyServiceStub
from yandex.cloud.iam.v1.key_pb2 import Key
from yandex.cloud.iam.v1.key_service_pb2 import (
    CreateKeyRequest,
    DeleteKeyMetadata,
    DeleteKeyRequest,
    GetKeyRequest,
    ListKeysRequest,
)
from yandex.cloud.iam.v1.key_service_pb2_grpc import KeyServiceStub
from yandex.cloud.iam.v1.service_account_pb2 import ServiceAccount
from yandex.cloud.iam.v1.service_account_service_pb2 import (
    CreateServiceAccountMetadata,
    CreateServiceAccountRequest,
    DeleteServiceAccountMetadata,
    DeleteServiceAccountRequest,
    GetServiceAccountRequest,
    ListServiceAccountsRequest,
)
from yandex.cloud.iam.v1.service_account_service_pb2_grpc import ServiceAccountServiceStub
from yandex.cloud.iam.v1.yandex_passport_user_account_service_pb2 import GetUserAccountByLoginRequest
from yandex.cloud.iam.v1.yandex_passport_user_account_service_pb2_grpc import YandexPassportUserAccountServiceStub

FOLDER_ID = os.environ["FOLDER_ID"]
NAME = os.environ["ACCOUNT_NAME"]


def check(holds, what):
    if not holds:
        raise SystemExit(what)


def check_not_found(what, call, request):
    try:
        call(request)
    except grpc.RpcError as e:
        check(e.code() == grpc.StatusCode.NOT_FOUND, f"deleted {what} answers {e.code()}: {e.details()}")
    else:
        raise SystemExit(f"deleted {what} is still there")


def create_account(sdk, accounts):
    op = accounts.Create(CreateServiceAccountRequest(folder_id=FOLDER_ID, name=NAME, description="made by yandexcloud"))
    result = sdk.wait_operation_and_get_result(
        op, response_type=ServiceAccount, meta_type=CreateServiceAccountMetadata, timeout=60
    )
    account = result.response
    check(account.id and account.id == result.meta.service_account_id, f"account {account}, metadata {result.meta}")
    check(account.name == NAME and account.folder_id == FOLDER_ID, f"created account is {account}")
    check(account.created_at.seconds and account.status == ServiceAccount.ACTIVE, f"created account is {account}")

    found = accounts.List(ListServiceAccountsRequest(folder_id=FOLDER_ID, filter=f'name="{NAME}"')).service_accounts
    check([a.id for a in found] == [account.id], f"list by name gives {found}")
    return account


def sign_in(roots, created):
    """Has an SDK of its own exchange a key as it came from the server, for its first call."""
    key = {
        "id": created.key.id,
        "service_account_id": created.key.service_account_id,
        "private_key": created.private_key,
    }
    sdk = yandexcloud.SDK(endpoint=os.environ["ENDPOINT"], service_account_key=key, root_certificates=roots)
    sdk.client(ApiKeyServiceStub).ListScopes(ListApiKeyScopesRequest())


def use_key(sdk, keys, account, roots):
    created = keys.Create(CreateKeyRequest(service_account_id=account.id))
    check("-----BEGIN PRIVATE KEY-----" in created.private_key, "the new key comes without a private half")
    key = keys.Get(GetKeyRequest(key_id=created.key.id))
    check(key.service_account_id == account.id and key.key_algorithm == Key.RSA_2048 and key.public_key, f"key is {key}")
    found = keys.List(ListKeysRequest(service_account_id=account.id)).keys
    check([k.id for k in found] == [key.id], f"list of keys is {found}")

    sign_in(roots, created)

    op = keys.Delete(DeleteKeyRequest(key_id=key.id))
    result = sdk.wait_operation_and_get_result(op, meta_type=DeleteKeyMetadata, timeout=60)
    check(result.meta.key_id == key.id, f"metadata of the key's end: {result.meta}")
    check_not_found("key", keys.Get, GetKeyRequest(key_id=key.id))
    try:
        sign_in(roots, created)
    except grpc.RpcError as e:
        # grpc wraps what its plugin for credentials has met.
        check("UNAUTHENTICATED" in e.details(), f"signing in with a deleted key: {e.code()}: {e.details()}")
    else:
        raise SystemExit("a deleted key signs in")


def refused_by_iam(roots, secret, key_id):
    """Shows an API key to IAM's own API, which takes none and says so without repeating it."""
    with grpc.secure_channel(os.environ["ENDPOINT"], grpc.ssl_channel_credentials(roots)) as channel:
        try:
            ApiKeyServiceStub(channel).Get(
                GetApiKeyRequest(api_key_id=key_id), metadata=[("authorization", "Api-Key " + secret)]
            )
        except grpc.RpcError as e:
            check(
                e.code() == grpc.StatusCode.UNAUTHENTICATED and "API keys are not accepted here" in e.details(),
                f"IAM answers an API key {e.code()}",
            )
            check(secret not in e.details(), "IAM repeats an API key")
        else:
            raise SystemExit("IAM's own API takes an API key")


def use_api_key(sdk, keys, account, roots):
    scopes = ["yc.ydb.topics.manage", "yc.ai.vision.execute"]  # not sorted: the order comes back
    created = keys.Create(CreateApiKeyRequest(service_account_id=account.id, scopes=scopes))
    check(re.fullmatch(r"AQVN[A-Za-z0-9_-]{35,38}", created.secret), "the API key's secret is not of the known form")
    key = keys.Get(GetApiKeyRequest(api_key_id=created.api_key.id))
    check(key.service_account_id == account.id and list(key.scopes) == scopes, f"API key is {key}")
    check(key.masked_secret == "****" + created.secret[-6:], f"API key is {key}")
    found = keys.List(ListApiKeysRequest(service_account_id=account.id)).api_keys
    check([k.id for k in found] == [key.id], f"list of API keys is {found}")
    known = keys.ListScopes(ListApiKeyScopesRequest(page_size=1000)).scopes
    check(set(scopes) <= set(known), f"list of scopes is {known}")
    refused_by_iam(roots, created.secret, key.id)

    op = keys.Delete(DeleteApiKeyRequest(api_key_id=key.id))
    result = sdk.wait_operation_and_get_result(op, meta_type=DeleteApiKeyMetadata, timeout=60)
    check(result.meta.api_key_id == key.id, f"metadata of the API key's end: {result.meta}")
    check_not_found("API key", keys.Get, GetApiKeyRequest(api_key_id=key.id))


def use_access_key(sdk, keys, account):
    """What a static access key signs is in compat/sigv4, sts and s3."""
    created = keys.Create(CreateAccessKeyRequest(service_account_id=account.id))
    key = created.access_key
    check(re.fullmatch(r"YC[A-Za-z0-9_-]{23}", key.key_id), f"static access key is {key}")
    check(re.fullmatch(r"YC[A-Za-z0-9_-]{38}", created.secret), "the static key's secret is not of the known form")
    found = keys.List(ListAccessKeysRequest(service_account_id=account.id)).access_keys
    check([(k.id, k.key_id) for k in found] == [(key.id, key.key_id)], f"list of static access keys is {found}")

    op = keys.Delete(DeleteAccessKeyRequest(access_key_id=key.id))
    result = sdk.wait_operation_and_get_result(op, meta_type=DeleteAccessKeyMetadata, timeout=60)
    check(result.meta.access_key_id == key.id, f"metadata of the static key's end: {result.meta}")
    check_not_found("static access key", keys.Get, GetAccessKeyRequest(access_key_id=key.id))


def use_ephemeral_key(keys):
    """Makes an ephemeral key of the caller. It is listed nowhere and ends by itself."""
    before, life = time.time(), 1800
    key = keys.CreateEphemeral(CreateEphemeralAccessKeyRequest(session_name="python", duration=Duration(seconds=life)))
    check(re.fullmatch(r"[a-z0-9]{20}", key.access_key_id), f"ephemeral key's id is {key.access_key_id}")
    check(re.fullmatch(r"YC[A-Za-z0-9_-]{41}", key.secret), "the ephemeral key's secret is not of the known form")
    check(re.fullmatch(r"s1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43,}", key.session_token), "its token is not of the known form")
    lives = key.expires_at.seconds - before
    check(life - 5 < lives < life + 5, f"the ephemeral key lives for {lives} s, want {life}")


def delete_account(sdk, accounts, account):
    op = accounts.Delete(DeleteServiceAccountRequest(service_account_id=account.id))
    result = sdk.wait_operation_and_get_result(op, meta_type=DeleteServiceAccountMetadata, timeout=60)
    check(result.meta.service_account_id == account.id, f"metadata of the account's end: {result.meta}")
    check_not_found("account", accounts.Get, GetServiceAccountRequest(service_account_id=account.id))


def as_person(roots):
    """Calls as a person, alice, whose OAuth token the SDK exchanges."""

    def account(token):
        sdk = yandexcloud.SDK(endpoint=os.environ["ENDPOINT"], token=token, root_certificates=roots)
        users = sdk.client(YandexPassportUserAccountServiceStub)
        return users.GetByLogin(GetUserAccountByLoginRequest(login="alice")).yandex_passport_user_account

    token = os.environ["OAUTH_TOKEN"]
    alice = account(token)
    check(alice.login == "alice" and alice.default_email, f"alice sees herself as {alice}")
    try:
        account(token[:-1])
    except grpc.RpcError as e:
        # grpc wraps what its plugin for credentials has met.
        check("OAuth token is invalid or expired" in e.details(), f"a token cut short: {e.code()}: {e.details()}")
    else:
        raise SystemExit("an OAuth token that is cut short signs in")


def main():
    with open(os.environ["KEY_FILE"]) as f:
        key = json.load(f)
    with open(os.environ["CA_FILE"], "rb") as f:
        roots = f.read()
    sdk = yandexcloud.SDK(endpoint=os.environ["ENDPOINT"], service_account_key=key, root_certificates=roots)

    accounts = sdk.client(ServiceAccountServiceStub)
    account = create_account(sdk, accounts)
    use_key(sdk, sdk.client(KeyServiceStub), account, roots)
    use_api_key(sdk, sdk.client(ApiKeyServiceStub), account, roots)
    use_access_key(sdk, sdk.client(AccessKeyServiceStub), account)
    use_ephemeral_key(sdk.client(TemporaryAccessKeyServiceStub))
    as_person(roots)
    delete_account(sdk, accounts, account)


main()
