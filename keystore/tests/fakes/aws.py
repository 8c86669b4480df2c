"""AWS KMS and STS: moto behind a strict front.

moto knows the API; the front adds what moto leaves out and outages are made of: it recomputes every
Signature Version 4, wants a session's token, obeys the key's state, knows policies and external ids,
and answers with the error of AWS where moto has another.
"""

import base64
import datetime
import hashlib
import hmac
import json
import logging
import os
import re
import urllib.parse

os.environ.setdefault("AWS_ACCESS_KEY_ID", "moto")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "moto")
logging.getLogger().setLevel(logging.CRITICAL)

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.test import Client  # noqa: E402

from fake import Answer, Fake  # noqa: E402

REGION, ACCOUNT = "eu-central-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/customer"
NODE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/keyraft-node"
EXTERNAL_ID = "keyraft-7f3a"


def refuse(kind, message, status=400):
    return Answer(status, {"__type": kind, "message": message}, {"Content-Type": "application/x-amz-json-1.1"})


def refuse_xml(kind, message, status=403):
    text = (f"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
            f"<Code>{kind}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>")
    return Answer(status, text.encode(), {"Content-Type": "text/xml"})


class Aws(Fake):
    def __init__(self):
        super().__init__()
        self.moto = Client(DomainDispatcherApplication(create_backend_app))
        # access key id: (secret, session token, may use keys by itself)
        self.keys = {"AKIASTATIC": ("static/secret+key", None, True), "AKIAASSUMES": ("assumes/secret", None, False)}
        self.denied, self.gone, self.sessions = set(), set(), 0
        self.arns = [self.make_key() for _ in range(2)]
        self.asymmetric = self.make_key(KeySpec="RSA_2048")

    def greeting(self):
        return {"arns": self.arns, "asymmetric": self.asymmetric, "role": ROLE, "node_role": NODE_ROLE,
                "external_id": EXTERNAL_ID}

    def throttled(self):
        return refuse("ThrottlingException", "Rate exceeded")

    def command(self, words):
        arn = self.arns[0]
        if "state" in words:
            verbs = {"disable": "DisableKey", "enable": "EnableKey", "schedule": "ScheduleKeyDeletion",
                     "cancel": "CancelKeyDeletion", "rotate": "RotateKeyOnDemand"}
            body = {"KeyId": arn.rsplit("/", 1)[1]}
            status, answer = self.kms(verbs[words["state"]], body)
            assert status == 200, answer
        elif "deny" in words:
            self.denied.add(words["deny"])
        elif "allow" in words:
            self.denied.clear()
        elif "delete" in words:
            self.gone.add(arn)
        elif "undelete" in words:
            self.gone.clear()
        elif "expire" in words:
            self.keys = {name: row for name, row in self.keys.items() if row[1] is None}
        elif "sessions" in words:
            return {"sessions": self.sessions}
        else:
            return {"error": "unknown command"}

    # -- moto ------------------------------------------------------------------------------------------
    def kms(self, action, body):
        answer = self.moto.post("/", data=json.dumps(body), headers={
            "Host": f"kms.{REGION}.amazonaws.com", "X-Amz-Target": f"TrentService.{action}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=moto/20260101/{REGION}/kms/aws4_request, "
                             "SignedHeaders=host, Signature=0"})
        try:
            return answer.status_code, json.loads(answer.data or b"{}")
        except ValueError:
            return 500, {}

    def make_key(self, **more):
        usage = {"KeyUsage": "ENCRYPT_DECRYPT", **more}
        return self.kms("CreateKey", usage)[1]["KeyMetadata"]["Arn"]

    # -- signatures --------------------------------------------------------------------------------------
    def caller(self, method, path, headers, body, service, refuse):
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
                             r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
                             headers.get("Authorization", ""))
        if not match:
            raise refuse("MissingAuthenticationToken", "Missing Authentication Token")
        access, date, region, named, names, signature = match.groups()
        if access not in self.keys:
            kind = "ExpiredTokenException" if access.startswith("ASIA") else "UnrecognizedClientException"
            kind = {"sts": "InvalidClientTokenId"}.get(service, kind)
            raise refuse(kind, "The security token included in the request is invalid.")
        secret, token, alone = self.keys[access]
        if token != headers.get("X-Amz-Security-Token"):
            raise refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
        time = headers.get("X-Amz-Date", "")
        when = datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(datetime.datetime.now(datetime.timezone.utc) - when) > datetime.timedelta(minutes=5):
            raise refuse("InvalidSignatureException", f"Signature expired: {time} is now earlier than ...")
        wanted = {"host", "x-amz-date"} | {name.lower() for name in headers if name.lower().startswith("x-amz-")}
        if not wanted <= set(names.split(";")) or names.split(";") != sorted(names.split(";")):
            raise refuse("InvalidSignatureException", "The headers that must be signed are not.")
        canonical = "\n".join([method, path, "",
                               *(f"{n}:{' '.join(headers.get(n, '').split())}" for n in names.split(";")), "",
                               names, hashlib.sha256(body).hexdigest()])
        scope = f"{date}/{region}/{named}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in (date, region, named, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        good = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if (region, named) != (REGION, service) or not hmac.compare_digest(good, signature):
            raise refuse("InvalidSignatureException", "The request signature we calculated does not match the "
                         "signature you provided.")
        return access, alone

    # -- the two services ------------------------------------------------------------------------------
    def respond(self, method, path, query, headers, body):
        if headers.get("X-Amz-Target", "").startswith("TrentService."):
            return self.answer_kms(method, path, headers, body)
        return self.answer_sts(method, path, headers, body)

    def answer_sts(self, method, path, headers, body):
        sent = dict(urllib.parse.parse_qsl(body.decode()))
        if sent.get("Action") == "AssumeRoleWithWebIdentity":
            if sent.get("WebIdentityToken") != "node.identity.token" or sent["RoleArn"] != NODE_ROLE:
                raise refuse_xml("InvalidIdentityToken", "No OpenIDConnect provider found in your account", 400)
            return self.session("AssumeRoleWithWebIdentity", alone=False)
        if sent.get("Action") != "AssumeRole":
            raise refuse_xml("InvalidAction", "Could not find operation", 400)
        self.caller(method, path, headers, body, "sts", refuse_xml)
        if sent.get("RoleArn") != ROLE or sent.get("ExternalId") != EXTERNAL_ID or "sts:AssumeRole" in self.denied:
            raise refuse_xml("AccessDenied", f"User: arn:aws:iam::{ACCOUNT}:user/keyraft is not authorized to "
                             f"perform: sts:AssumeRole on resource: {sent.get('RoleArn')}")
        return self.session("AssumeRole", alone=True)

    def session(self, action, alone):
        self.sessions += 1
        access, secret, token = f"ASIA{self.sessions:016}", f"s/{self.sessions}+x", f"token/{self.sessions}=="
        self.keys[access] = (secret, token, alone)
        end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).isoformat()
        return Answer(200, f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
<Credentials><AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{end}</Expiration></Credentials><AssumedRoleUser>
<AssumedRoleId>AROA:keyraft</AssumedRoleId><Arn>{ROLE}</Arn></AssumedRoleUser></{action}Result>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>""".encode(),
                      {"Content-Type": "text/xml"})

    def answer_kms(self, method, path, headers, body):
        access, alone = self.caller(method, path, headers, body, "kms", refuse)
        action, sent = headers["X-Amz-Target"].split(".", 1)[1], json.loads(body)
        arn = sent.get("KeyId", "")
        if not alone or f"kms:{action}" in self.denied:
            raise refuse("AccessDeniedException", f"User: arn:aws:iam::{ACCOUNT}:user/{access} is not authorized to "
                         f"perform: kms:{action} on resource: {arn} because no identity-based policy allows it")
        if arn in self.gone:
            raise refuse("NotFoundException", f"Key '{arn}' does not exist")
        if action not in ("DescribeKey", "Encrypt", "Decrypt"):
            raise refuse("AccessDeniedException", f"not authorized to perform: kms:{action}")
        state = self.kms("DescribeKey", {"KeyId": arn})[1].get("KeyMetadata", {}).get("KeyState")
        if action != "DescribeKey":
            if state == "Disabled":
                raise refuse("DisabledException", f"{arn} is disabled.")
            if state in ("PendingDeletion", "PendingImport"):
                words = "pending deletion" if state == "PendingDeletion" else "pending import"
                raise refuse("KMSInvalidStateException", f"{arn} is {words}.")
        status, answer = self.kms(action, sent)
        if action == "Decrypt" and answer.get("__type", "").endswith("AccessDeniedException"):
            answer["__type"] = "IncorrectKeyException"
        if action == "Decrypt" and status == 200 and answer["KeyId"] != arn:
            raise refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can "
                         "perform this operation.")
        if action == "Decrypt" and (status >= 500 or answer.get("__type", "").endswith("NotFoundException")):
            status, answer = 400, {"__type": "InvalidCiphertextException", "message": ""}
        return Answer(status, answer, {"Content-Type": "application/x-amz-json-1.1"})


if __name__ == "__main__":
    Aws().run()
