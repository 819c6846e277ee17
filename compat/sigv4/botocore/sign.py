"""Signs requests with botocore's signers and prints, a JSON object a line,
what each string to sign is, which signature it has, and the request as it goes
over the wire. The key is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""

import hashlib
import json
import os
from urllib.parse import quote, urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "ru-central1"
TOKEN = "s1.of/a+session=="


def key(token=None):
    return Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], token)


def remember(signer, method):
    """Keeps what a signer's method returns."""
    kept, original = [], getattr(signer, method)

    def wrapped(*args, **kwargs):
        kept.append(original(*args, **kwargs))
        return kept[-1]

    setattr(signer, method, wrapped)
    return kept


def version4(kind, service, request, token=None):
    signer = kind(key(token), service, REGION)
    texts, signatures = remember(signer, "string_to_sign"), remember(signer, "signature")
    signer.add_auth(request)
    at = request.context["timestamp"]
    show(request, token, string_to_sign=texts[-1], signature=signatures[-1], service=service, region=REGION,
         signed_at=f"{at[:4]}-{at[4:6]}-{at[6:11]}:{at[11:13]}:{at[13:15]}Z")


def version2(kind, request, token=None):
    signer = kind(key(token))
    texts, signatures = remember(signer, "canonical_string"), remember(signer, "sign_string")
    signer.add_auth(request)
    if kind is HmacV1QueryAuth:  # whoever uses the address knows no other header
        request.headers = {}
    show(request, token, string_to_sign=texts[-1], signature=signatures[-1], v2="HMAC_SHA1")


def show(request, token, **what):
    sent = request.prepare()
    url = urlsplit(sent.url)
    headers = [["Host", url.netloc]]
    for name, value in sent.headers.items():
        headers.append([name, value.decode() if isinstance(value, bytes) else value])
    body = sent.body or b""
    what["request"] = {"method": sent.method, "target": (url.path or "/") + ("?" + url.query if url.query else ""), "headers": headers,
                       "payload_sha256": hashlib.sha256(body if isinstance(body, bytes) else body.encode()).hexdigest()}
    print(json.dumps(what | {"token": token or ""}))


STORAGE = "https://storage.example.com/bucket"
ODD = STORAGE + "/" + quote("ключ + a&b=c (1)//./../x~y!'*")
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
version4(S3SigV4Auth, "s3", AWSRequest("GET", STORAGE, params={"list-type": "2", "prefix": "a/b"}))
version4(S3SigV4Auth, "s3", AWSRequest("PUT", STORAGE + "/" + quote("ключ +"), data=b"content"))
version4(S3SigV4Auth, "s3", AWSRequest("GET", ODD, params={"response-content-type": "a b+c/d", "versionId": "", "x": "~-._!*'()", "X": "ключ"}))
version4(S3SigV4Auth, "s3", AWSRequest("PUT", ODD + "?uploads", headers={"x-amz-meta-b": "  several   words ", "x-amz-meta-a": '"quoted   too"'}))
version4(S3SigV4Auth, "s3", AWSRequest("GET", STORAGE + "/object"), TOKEN)
version4(S3SigV4QueryAuth, "s3", AWSRequest("GET", STORAGE + "/object"))
version4(S3SigV4QueryAuth, "s3", AWSRequest("GET", ODD, params={"response-content-disposition": 'attachment; filename="a b.txt"'}), TOKEN)
version4(SigV4Auth, "sqs", AWSRequest("POST", "https://queue.example.com/", data=b"Action=ListQueues"))
version4(SigV4Auth, "sqs", AWSRequest("POST", "https://queue.example.com/b1g/" + quote("очередь 1") + "//x/../y/./", data=b"Action=ListQueues"))
version4(SigV4Auth, "sts", AWSRequest("POST", "https://sts.example.com/", headers=FORM, data=b"Action=GetCallerIdentity&Version=2011-06-15"))
version4(SigV4Auth, "sts", AWSRequest("POST", "https://sts.example.com:8443/", headers=FORM, data=b"Action=GetCallerIdentity&Version=2011-06-15"), TOKEN)
version4(SigV4QueryAuth, "sts", AWSRequest("GET", "https://sts.example.com/", params={"Action": "GetCallerIdentity", "Version": "2011-06-15"}))
version4(SigV4QueryAuth, "sts", AWSRequest("GET", "https://sts.example.com/?Action=GetCallerIdentity"), TOKEN)
version2(HmacV1Auth, AWSRequest("GET", STORAGE + "/object", headers={"x-amz-acl": "private"}))
version2(HmacV1Auth, AWSRequest("PUT", ODD + "?acl&versionId=a%2Bb&prefix=c", headers={"Content-Type": "text/plain", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}), TOKEN)
version2(HmacV1QueryAuth, AWSRequest("GET", STORAGE + "/object"))
version2(HmacV1QueryAuth, AWSRequest("GET", ODD + "?response-content-type=text%2Fplain"), TOKEN)
