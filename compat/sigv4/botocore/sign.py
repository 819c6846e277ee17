"""Signs requests with botocore's signers and prints, a JSON object a line,
what each string to sign is and which signature it has. The key is in
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""

import json
import os
import urllib.parse

from botocore.auth import HmacV1Auth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "ru-central1"
KEY = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


def remember(signer, method):
    """Keeps what a signer's method returns."""
    kept, original = [], getattr(signer, method)

    def wrapped(*args, **kwargs):
        kept.append(original(*args, **kwargs))
        return kept[-1]

    setattr(signer, method, wrapped)
    return kept


def version4(kind, service, request):
    signer = kind(KEY, service, REGION)
    texts, signatures = remember(signer, "string_to_sign"), remember(signer, "signature")
    signer.add_auth(request)
    at = request.context["timestamp"]
    show(string_to_sign=texts[-1], signature=signatures[-1], service=service, region=REGION,
         signed_at=f"{at[:4]}-{at[4:6]}-{at[6:11]}:{at[11:13]}:{at[13:15]}Z")


def version2(request):
    signer = HmacV1Auth(KEY)
    texts = remember(signer, "canonical_string")
    signer.add_auth(request)
    show(string_to_sign=texts[-1], signature=request.headers["Authorization"].rsplit(":", 1)[1], v2="HMAC_SHA1")


def show(**what):
    print(json.dumps(what))


STORAGE = "https://storage.example.com/bucket"
version4(S3SigV4Auth, "s3", AWSRequest("GET", STORAGE, params={"list-type": "2", "prefix": "a/b"}))
version4(S3SigV4Auth, "s3", AWSRequest("PUT", STORAGE + "/" + urllib.parse.quote("ключ +"), data=b"content"))
version4(S3SigV4QueryAuth, "s3", AWSRequest("GET", STORAGE + "/object"))
version4(SigV4Auth, "sqs", AWSRequest("POST", "https://queue.example.com/", data=b"Action=ListQueues"))
version4(SigV4Auth, "sts", AWSRequest("POST", "https://sts.example.com/", data=b"Action=GetCallerIdentity&Version=2011-06-15"))
version2(AWSRequest("GET", STORAGE + "/object", headers={"x-amz-acl": "private"}))
