"""A strict Google Cloud KMS, written from its REST reference (v1, `cryptoKeys`), IAM's `testIamPermissions`,
and the two ways to a token: RFC 7523 grants of a service account, and workload identity federation (RFC 8693)
with impersonation.

What it is strict about: the grant's RS256 signature, `aud`, `iss`, `scope`, `iat` and `exp`; resource names;
CRC32C of what is sent and of what is answered; associated data; states of versions; the shape of errors.
"""

import base64
import json
import os
import re
import time
import urllib.parse

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fake import Answer, Fake

RING = "projects/acme/locations/europe-west3/keyRings/ring"
ACCOUNT = "keyraft@acme.iam.gserviceaccount.com"
PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/keyraft"
ENCRYPT, DECRYPT = "cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeyVersions.useToDecrypt"
READ = "cloudkms.cryptoKeys.get"
SCOPE = "https://www.googleapis.com/auth/cloudkms"
TABLE = []
for i in range(256):
    c = i
    for _ in range(8):
        c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
    TABLE.append(c)


def crc32c(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = (c >> 8) ^ TABLE[(c ^ byte) & 255]
    return str(c ^ 0xFFFFFFFF)


def refuse(code, status, message, reason=None):
    error = {"code": code, "message": message, "status": status}
    if reason:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
                             "domain": "cloudkms.googleapis.com"}]
    return Answer(code, {"error": error})


def unb64(text, field):
    try:
        return base64.b64decode(text, validate=True)
    except Exception:
        raise refuse(400, "INVALID_ARGUMENT", f"Invalid value at '{field}' (TYPE_BYTES), Base64 decoding failed")


class Gcp(Fake):
    names = ["localhost", "127.0.0.1", "oauth2.googleapis.com", "sts.googleapis.com", "cloudkms.googleapis.com",
             "iamcredentials.googleapis.com"]

    def __init__(self):
        super().__init__()
        self.account_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.keys = {"one": [os.urandom(32)], "two": [os.urandom(32)]}
        self.states = {name: {1: "ENABLED"} for name in self.keys}
        self.tokens, self.denied, self.grants = {"for-the-driver": ACCOUNT}, set(), 0

    def greeting(self):
        pem = self.account_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                             serialization.NoEncryption()).decode()
        return {"keys": [f"{RING}/cryptoKeys/{name}" for name in self.keys], "signer": f"{RING}/cryptoKeys/signer",
                "provider": PROVIDER, "account": ACCOUNT,
                "key_json": json.dumps({"type": "service_account", "client_email": ACCOUNT, "private_key": pem,
                                        "private_key_id": "kid-1",
                                        "token_uri": "https://oauth2.googleapis.com/token"})}

    def command(self, words):
        if "state" in words:
            for version in self.states["one"]:
                self.states["one"][version] = words["state"]
        elif "deny" in words:
            self.denied.add(words["deny"])
        elif "allow" in words:
            self.denied.clear()
        elif "rotate" in words:
            self.keys["one"].append(os.urandom(32))
            self.states["one"][len(self.keys["one"])] = "ENABLED"
        elif "forget_tokens" in words:
            self.tokens = {}
        elif "grants" in words:
            return {"grants": self.grants}
        else:
            return {"error": "unknown command"}

    def throttled(self):
        return refuse(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Cryptographic requests'")

    # -- tokens ------------------------------------------------------------------------------------------
    def issue(self, account):
        self.grants += 1
        token = f"ya29.{self.grants}"
        self.tokens[token] = account
        return Answer(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def audiences(self):
        # Its own address stands for Google's where an SDK takes the audience from the address.
        return ["https://oauth2.googleapis.com/token", f"https://localhost:{self.server.server_address[1]}/token"]

    def grant(self, sent):
        wrong = lambda why: Answer(400, {"error": "invalid_grant", "error_description": why})
        if sent.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise Answer(400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
        try:
            claims = jwt.decode(sent.get("assertion", ""), self.account_key.public_key(), algorithms=["RS256"],
                                audience=self.audiences(), issuer=ACCOUNT)
        except jwt.PyJWTError:
            raise wrong("Invalid JWT Signature.")
        if claims["exp"] - claims["iat"] > 3600 or abs(time.time() - claims["iat"]) > 600:
            raise wrong("Invalid JWT: Token must be a short-lived token (60 minutes)")
        if SCOPE not in claims.get("scope", "").split() and "cloud-platform" not in claims.get("scope", ""):
            raise wrong("Invalid scope")
        return self.issue(ACCOUNT)

    def exchange(self, sent):
        wanted = {"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": PROVIDER,
                  "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
                  "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt", "subjectToken": "node.identity.token"}
        for field, value in wanted.items():
            if sent.get(field) != value:
                raise Answer(400, {"error": "invalid_request", "error_description": f"Invalid value for {field}"})
        answer = self.issue("federated")
        answer.body["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        return answer

    # -- requests ------------------------------------------------------------------------------------------
    def respond(self, method, path, query, headers, body):
        host = headers.get("Host", "").split(":")[0]
        if path == "/token" and host in ("oauth2.googleapis.com", "localhost"):
            return self.grant(dict(urllib.parse.parse_qsl(body.decode())))
        sent = json.loads(body) if body else {}
        if path == "/v1/token" and host in ("sts.googleapis.com", "localhost"):
            return self.exchange(sent)
        account = self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))
        if account is None:
            raise refuse(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.",
                         "ACCESS_TOKEN_EXPIRED")
        if path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken":
            if "iam.serviceAccounts.getAccessToken" in self.denied:
                raise refuse(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied")
            answer = self.issue(ACCOUNT)
            return Answer(200, {"accessToken": answer.body["access_token"], "expireTime": "2030-01-01T00:00:00Z"})
        match = re.fullmatch(r"/v1/(projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/([^/:]+))(?::(\w+))?",
                             urllib.parse.unquote(path))
        if not match:
            raise refuse(404, "NOT_FOUND", "Requested entity was not found.")
        name, key, verb = match.groups()
        if account != ACCOUNT:
            raise refuse(403, "PERMISSION_DENIED", f"Permission '{READ}' denied on resource '{name}' "
                         "(or it may not exist).")
        if verb == "testIamPermissions":
            return Answer(200, {"permissions": [p for p in sent["permissions"] if p not in self.denied]})
        need = {None: READ, "encrypt": ENCRYPT, "decrypt": DECRYPT}.get(verb)
        if need is None:
            raise refuse(404, "NOT_FOUND", "Method not found.")
        if need in self.denied or not name.startswith(RING):
            raise refuse(403, "PERMISSION_DENIED", f"Permission '{need}' denied on resource '{name}' "
                         "(or it may not exist).", "IAM_PERMISSION_DENIED")
        if key == "signer" and verb is None:
            return Answer(200, {"name": name, "purpose": "ASYMMETRIC_SIGN"})
        if key not in self.keys:
            raise refuse(404, "NOT_FOUND", f"CryptoKey {name} not found.")
        if verb is None:
            return Answer(200, self.describe(name, key))
        return getattr(self, verb)(name, key, sent)

    def describe(self, name, key):
        latest = len(self.keys[key])
        return {"name": name, "purpose": "ENCRYPT_DECRYPT", "createTime": "2026-01-01T00:00:00Z",
                "primary": {"name": f"{name}/cryptoKeyVersions/{latest}", "state": self.states[key][latest],
                            "protectionLevel": "HSM", "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"},
                "versionTemplate": {"protectionLevel": "HSM", "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"}}

    def usable(self, name, key, version):
        state = self.states[key][version]
        if state != "ENABLED":
            raise refuse(400, "FAILED_PRECONDITION", f"{name}/cryptoKeyVersions/{version} is not enabled, current "
                         f"state is: {state}.", f"CRYPTO_KEY_VERSION_{state}")

    def checked(self, sent, field):
        data = unb64(sent.get(field, ""), field)
        crc = sent.get(field + "Crc32c")
        if crc is not None and str(crc) != crc32c(data):
            raise refuse(400, "INVALID_ARGUMENT", f"The checksum in field {field}_crc32c did not match the data in "
                         f"field {field}.")
        return data, crc is not None

    def encrypt(self, name, key, sent):
        plain, seen = self.checked(sent, "plaintext")
        aad, seen_aad = self.checked(sent, "additionalAuthenticatedData")
        version = len(self.keys[key])
        self.usable(name, key, version)
        nonce = os.urandom(12)
        sealed = bytes([0x0A, version]) + nonce + AESGCM(self.keys[key][version - 1]).encrypt(nonce, plain, aad)
        return Answer(200, {"name": f"{name}/cryptoKeyVersions/{version}",
                            "ciphertext": base64.b64encode(sealed).decode(), "ciphertextCrc32c": crc32c(sealed),
                            "verifiedPlaintextCrc32c": seen, "protectionLevel": "HSM",
                            "verifiedAdditionalAuthenticatedDataCrc32c": seen_aad})

    def decrypt(self, name, key, sent):
        sealed, _ = self.checked(sent, "ciphertext")
        aad, _ = self.checked(sent, "additionalAuthenticatedData")
        bad = refuse(400, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct "
                     "CryptoKey.")
        if len(sealed) < 30 or sealed[0] != 0x0A or not 1 <= sealed[1] <= len(self.keys[key]):
            raise bad
        self.usable(name, key, sealed[1])
        try:
            plain = AESGCM(self.keys[key][sealed[1] - 1]).decrypt(sealed[2:14], sealed[14:], aad)
        except InvalidTag:
            raise bad
        return Answer(200, {"plaintext": base64.b64encode(plain).decode(), "plaintextCrc32c": crc32c(plain),
                            "usedPrimary": sealed[1] == len(self.keys[key]), "protectionLevel": "HSM"})


if __name__ == "__main__":
    Gcp().run()
