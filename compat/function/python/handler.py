"""Calls the API with the Python SDK as a function does: with the token of its context, and without any, by the metadata
address."""

import os

import yandexcloud
from yandex.cloud.iam.v1.service_account_service_pb2 import GetServiceAccountRequest
from yandex.cloud.iam.v1.service_account_service_pb2_grpc import ServiceAccountServiceStub

ACCOUNT = os.environ["SERVICE_ACCOUNT_ID"]


def handler(event, context):
    with open(os.environ["CA_FILE"], "rb") as f:
        roots = f.read()
    for given in ({"iam_token": context.token["access_token"]}, {}):
        sdk = yandexcloud.SDK(endpoint=os.environ["ENDPOINT"], root_certificates=roots, **given)
        account = sdk.client(ServiceAccountServiceStub).Get(GetServiceAccountRequest(service_account_id=ACCOUNT))
        assert account.id == ACCOUNT, account
    return account.id
