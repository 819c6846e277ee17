"""Asks the STS door what botocore's clients ask, the AWS CLI and boto3 among
them, with nothing changed but the address, and checks what it gets. The static
key is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the door's address in
STS_URL."""

import datetime
import os
import urllib.request

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE, NAME = "any-text-of-twenty-characters", "night-job"
POLICY = """{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}]}"""
ACCOUNT, FOLDER = os.environ["SERVICE_ACCOUNT_ID"], os.environ["FOLDER_ID"]
STATIC = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


def client(address, key_id, secret, token=None, **config):
    return botocore.session.get_session().create_client(
        "sts", region_name="ru-central1", endpoint_url=address, config=Config(**config),
        aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token)


def is_called(sts, user):
    who = sts.get_caller_identity()
    assert (who["Account"], who["UserId"]) == (FOLDER, user), who
    assert who["Arn"].startswith("arn:aws:") and FOLDER in who["Arn"], who


def refused(code, call, **what):
    try:
        call(**what)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code and e.response["Error"]["Message"], e.response
        assert len(e.response["ResponseMetadata"]["RequestId"]) == 36, e.response
        return e
    raise AssertionError(f"{what} is not refused, want {code}")


def assume(address, sts, **more):
    before = datetime.datetime.now(datetime.timezone.utc)
    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName=NAME, **more)
    made = answer["Credentials"]
    off = (made["Expiration"] - before).total_seconds() - more.get("DurationSeconds", 3600)
    assert abs(off) < 5, off
    assert made["AccessKeyId"] == STATIC[0] and answer["PackedPolicySize"] == 0
    assert answer["AssumedRoleUser"] == {"Arn": f"{ROLE}/{NAME}", "AssumedRoleId": f"{ACCOUNT}:{NAME}"}
    temporary = client(address, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    is_called(temporary, f"{ACCOUNT}:{NAME}")
    refused("AccessDenied", temporary.assume_role, RoleArn=ROLE, RoleSessionName=NAME)
    return made


def visit(address):
    sts = client(address, *STATIC)
    is_called(sts, ACCOUNT)
    for life in ({}, {"DurationSeconds": 900}, {"DurationSeconds": 43200}):
        assume(address, sts, **life)
        made = assume(address, sts, Policy=POLICY, **life)
    for signer in (sts, client(address, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])):
        with urllib.request.urlopen(signer.generate_presigned_url("get_caller_identity", HttpMethod="GET")) as answer:
            assert ACCOUNT in answer.read().decode()
    careless = client(address, *STATIC, parameter_validation=False)
    for seconds in (899, 43201):
        refused("ValidationError", careless.assume_role, RoleArn=ROLE, RoleSessionName=NAME, DurationSeconds=seconds)
    error = refused("MalformedPolicyDocument", sts.assume_role, RoleArn=ROLE, RoleSessionName=NAME, Policy=POLICY.replace("Action", "NotAction"))
    assert isinstance(error, sts.exceptions.MalformedPolicyDocumentException)
    refused("InvalidParameterValue", sts.assume_role, RoleArn=ROLE, RoleSessionName=NAME, Tags=[{"Key": "team", "Value": "one"}])
    refused("SignatureDoesNotMatch", client(address, STATIC[0], "x" * 40).get_caller_identity)
    refused("InvalidClientTokenId", client(address, *STATIC, "s1." + "x" * 280).get_caller_identity)


# With what dev's env file says, nothing needs to be said.
is_called(botocore.session.get_session().create_client("sts"), ACCOUNT)
for way in ("", "/sts"):
    visit(os.environ["STS_URL"] + way)
