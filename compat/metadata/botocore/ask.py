"""Asks the STS door who it is with what botocore, under the AWS CLI and boto3, finds by itself on a virtual machine:
IMDSv2 at the metadata address gives it an access key."""

import datetime
import os

import botocore.session

ACCOUNT, FOLDER = os.environ["SERVICE_ACCOUNT_ID"], os.environ["FOLDER_ID"]

session = botocore.session.get_session()
found = session.get_credentials()
assert found is not None and found.method == "iam-role", found
key = found.get_frozen_credentials()
assert key.access_key and key.secret_key and key.token.startswith("s1."), key.access_key
left = found._expiry_time - datetime.datetime.now(datetime.timezone.utc)
assert datetime.timedelta(hours=3) - datetime.timedelta(minutes=1) < left <= datetime.timedelta(hours=6, seconds=5), left

who = session.create_client("sts", region_name="ru-central1", endpoint_url=os.environ["STS_URL"]).get_caller_identity()
assert who["Account"] == FOLDER and who["UserId"].startswith(ACCOUNT + ":"), who
