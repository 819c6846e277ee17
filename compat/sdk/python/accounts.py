"""Takes a service account and its key through their whole life with the Python SDK, over TLS.

SDK(endpoint=..., root_certificates=...) is all that its users must say: discovery goes to that endpoint, signing in
to the address that discovery names for "iam", and the JWT's audience is https://iam.<endpoint>/iam/v1/tokens.
"""

import json
import os

import grpc
import yandexcloud
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


def use_key(sdk, keys, account):
    created = keys.Create(CreateKeyRequest(service_account_id=account.id))
    check("-----BEGIN PRIVATE KEY-----" in created.private_key, "the new key comes without a private half")
    key = keys.Get(GetKeyRequest(key_id=created.key.id))
    check(key.service_account_id == account.id and key.key_algorithm == Key.RSA_2048 and key.public_key, f"key is {key}")
    found = keys.List(ListKeysRequest(service_account_id=account.id)).keys
    check([k.id for k in found] == [key.id], f"list of keys is {found}")

    op = keys.Delete(DeleteKeyRequest(key_id=key.id))
    result = sdk.wait_operation_and_get_result(op, meta_type=DeleteKeyMetadata, timeout=60)
    check(result.meta.key_id == key.id, f"metadata of the key's end: {result.meta}")
    check_not_found("key", keys.Get, GetKeyRequest(key_id=key.id))


def delete_account(sdk, accounts, account):
    op = accounts.Delete(DeleteServiceAccountRequest(service_account_id=account.id))
    result = sdk.wait_operation_and_get_result(op, meta_type=DeleteServiceAccountMetadata, timeout=60)
    check(result.meta.service_account_id == account.id, f"metadata of the account's end: {result.meta}")
    check_not_found("account", accounts.Get, GetServiceAccountRequest(service_account_id=account.id))


def main():
    with open(os.environ["KEY_FILE"]) as f:
        key = json.load(f)
    with open(os.environ["CA_FILE"], "rb") as f:
        roots = f.read()
    sdk = yandexcloud.SDK(endpoint=os.environ["ENDPOINT"], service_account_key=key, root_certificates=roots)

    accounts = sdk.client(ServiceAccountServiceStub)
    account = create_account(sdk, accounts)
    use_key(sdk, sdk.client(KeyServiceStub), account)
    delete_account(sdk, accounts, account)


main()
