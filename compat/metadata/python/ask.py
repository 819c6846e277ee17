"""Calls the API with the Python SDK as a program of a virtual machine does: without any key, with the token that the
metadata address gives."""

import os

import yandexcloud
from yandex.cloud.iam.v1.service_account_service_pb2 import GetServiceAccountRequest
from yandex.cloud.iam.v1.service_account_service_pb2_grpc import ServiceAccountServiceStub

ACCOUNT = os.environ["SERVICE_ACCOUNT_ID"]
with open(os.environ["CA_FILE"], "rb") as f:
    roots = f.read()

for given in ({}, {"metadata_addr": os.environ["METADATA"]}):
    sdk = yandexcloud.SDK(endpoint=os.environ["ENDPOINT"], root_certificates=roots, **given)
    account = sdk.client(ServiceAccountServiceStub).Get(GetServiceAccountRequest(service_account_id=ACCOUNT))
    assert account.id == ACCOUNT, account
