"""A strict Azure Key Vault and its Entra ID, written from the Key Vault REST reference (Get Key, Wrap Key,
Unwrap Key) and the OAuth 2.0 client credentials flow of the Microsoft identity platform.

What it is strict about: a challenge for whoever brings no token, the token's audience, client secrets and
signed assertions (thumbprint, `aud`, `iss`, `sub`, `exp`), federated tokens, `api-version`, base64url without
padding, key versions, `key_ops`, `enabled`, `nbf` and `exp`, the shape of errors.
"""

import base64
import datetime
import hashlib
import json
import re
import time
import urllib.parse
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from fake import Answer, Fake

DIRECTORY, CLIENT = "8d1f8a3e-0000-4000-8000-00000000d1e2", "11111111-2222-4333-8444-555555555555"
SECRET, RESOURCE = "s3cr3t~value", "https://vault.azure.net"
PERMISSIONS = {"get": "Microsoft.KeyVault/vaults/keys/read",
               "wrapkey": "Microsoft.KeyVault/vaults/keys/wrap/action",
               "unwrapkey": "Microsoft.KeyVault/vaults/keys/unwrap/action"}


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text or ""):
        raise refuse(400, "BadParameter", "Property  has invalid value")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refuse(status, code, message, inner=None):
    error = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return Answer(status, {"error": error})


class Key:
    def __init__(self, kty="RSA-HSM"):
        self.kty, self.versions, self.order = kty, {}, []
        self.enabled, self.ops, self.expires, self.begins = True, ["wrapKey", "unwrapKey"], None, None
        self.rotate()

    def rotate(self):
        version = uuid.uuid4().hex
        self.versions[version] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.order.append(version)


class Azure(Fake):
    def __init__(self):
        super().__init__()
        self.keys = {"one": Key(), "two": Key(), "curve": Key("EC"), "signer": Key()}
        self.keys["signer"].ops = ["sign", "verify"]
        self.tokens, self.denied, self.issued = {}, set(), 0
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keyraft")])
        self.certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                            .public_key(self.rsa.public_key()).serial_number(1).not_valid_before(now - day)
                            .not_valid_after(now + day).sign(self.rsa, hashes.SHA256()))

    def greeting(self):
        return {"directory": DIRECTORY, "client": CLIENT, "secret": SECRET,
                "certificate": self.certificate.public_bytes(serialization.Encoding.PEM).decode(),
                "private_key": self.rsa.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                      serialization.NoEncryption()).decode()}

    def command(self, words):
        if "enabled" in words:
            self.keys["one"].enabled = words["enabled"]
        elif "expires" in words:
            self.keys["one"].expires = words["expires"]
        elif "deny" in words:
            self.denied.add(words["deny"])
        elif "allow" in words:
            self.denied.clear()
        elif "delete" in words:
            self.deleted = self.keys.pop("one")
        elif "undelete" in words:
            self.keys["one"] = self.deleted
        elif "rotate" in words:
            self.keys["one"].rotate()
        elif "forget_tokens" in words:
            self.tokens = {}
        elif "issued" in words:
            return {"issued": self.issued}
        else:
            return {"error": "unknown command"}

    def throttled(self):
        return Answer(429, {"error": {"code": "Throttled", "message": "Request was not processed because too many "
                                      "requests were received."}}, {"Retry-After": "7"})

    @property
    def base(self):
        return f"https://localhost:{self.server.server_address[1]}"

    def respond(self, method, path, query, headers, body):
        if path.endswith("/.well-known/openid-configuration"):
            token = f"{self.base}/{DIRECTORY}/oauth2/v2.0/token"
            return Answer(200, {"token_endpoint": token, "issuer": f"{self.base}/{DIRECTORY}/v2.0",
                                "authorization_endpoint": token.replace("/token", "/authorize")})
        if path.endswith("/oauth2/v2.0/token"):
            return self.token(path.split("/")[1], dict(urllib.parse.parse_qsl(body.decode())))
        return self.vault(method, path, dict(urllib.parse.parse_qsl(query)), headers, body)

    # -- Entra ID ------------------------------------------------------------------------------------------
    def token(self, directory, sent):
        def wrong(code, text, status=401, kind="invalid_client"):
            return Answer(status, {"error": kind, "error_description": f"AADSTS{code}: {text}",
                                   "error_codes": [code]})

        if directory != DIRECTORY:
            raise wrong(90002, f"Tenant '{directory}' not found.", 400, "invalid_request")
        if sent.get("grant_type") != "client_credentials":
            raise wrong(70003, "The app requested an unsupported grant type.", 400, "unsupported_grant_type")
        if sent.get("client_id") != CLIENT:
            raise wrong(700016, "Application was not found in the directory.", 400, "unauthorized_client")
        if sent.get("scope") != RESOURCE + "/.default":
            raise wrong(70011, "The provided value for the input parameter 'scope' is not valid.", 400,
                        "invalid_scope")
        assertion = sent.get("client_assertion")
        if assertion == "node.identity.token":
            pass
        elif assertion is not None:
            if sent.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
                raise wrong(50027, "JWT token is invalid or malformed.")
            der = self.certificate.public_bytes(serialization.Encoding.DER)
            try:
                header = jwt.get_unverified_header(assertion)
                # MSAL pads its thumbprints, and Entra ID takes them so.
                thumbs = (header.get("x5t#S256", "").rstrip("=") == b64url(hashlib.sha256(der).digest())
                          or header.get("x5t", "").rstrip("=") == b64url(hashlib.sha1(der).digest()))
                endpoint = f"{self.base}/{DIRECTORY}/oauth2/v2.0/token"
                claims = jwt.decode(assertion, self.rsa.public_key(), algorithms=["RS256", "PS256"],
                                    audience=endpoint, issuer=CLIENT,
                                    options={"require": ["exp", "iss", "sub", "aud", "jti"]})
            except jwt.PyJWTError:
                raise wrong(700027, "The certificate with identifier used to sign the client assertion is not "
                            "registered on application.")
            if not thumbs or claims["sub"] != CLIENT or claims["exp"] > time.time() + 3600:
                raise wrong(700027, "Client assertion failed signature validation.")
        elif sent.get("client_secret") != SECRET:
            raise wrong(7000215, "Invalid client secret provided.")
        self.issued += 1
        token = f"eyJ.{self.issued}.x"
        self.tokens[token] = RESOURCE
        return Answer(200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
                            "access_token": token})

    # -- the vault -------------------------------------------------------------------------------------------
    def vault(self, method, path, query, headers, body):
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(bearer) != RESOURCE:
            code = "AKV10000" if not bearer else "AKV10032"
            challenge = f'Bearer authorization="{self.base}/{DIRECTORY}", resource="{RESOURCE}"'
            raise Answer(401, {"error": {"code": "Unauthorized", "message": f"[{code}] Request is missing a Bearer "
                                         "or PoP token."}}, {"WWW-Authenticate": challenge})
        if not re.fullmatch(r"7\.[2-6]|20\d\d-\d\d-\d\d", query.get("api-version", "")):
            raise refuse(400, "BadParameter", "The specified version () is not recognized.")
        match = re.fullmatch(r"/keys/([0-9a-zA-Z-]{1,127})(?:/([^/]*))?(?:/(wrapkey|unwrapkey))?/?", path)
        if not match:
            raise refuse(404, "NotFound", "The requested resource was not found.")
        name, version, verb = match.groups()
        need = PERMISSIONS[verb or "get"]
        if need in self.denied:
            raise refuse(403, "Forbidden", "Caller is not authorized to perform action on resource.\r\nAction: "
                         f"'{need}'\r\nResource: '{path}'", "ForbiddenByRbac")
        key = self.keys.get(name)
        version = version or (key.order[-1] if key else None)
        if key is None or version not in key.versions:
            raise refuse(404, "KeyNotFound", f"A key with (name/id) {name} was not found in this key vault. If you "
                         "recently deleted this key you may be able to recover it using the correct recovery "
                         "command.")
        kid = f"{self.base}/keys/{name}/{version}"
        if method == "GET" and verb is None:
            return Answer(200, self.describe(kid, key, version))
        sent = json.loads(body)
        if method != "POST" or sent.get("alg") != "RSA-OAEP-256":
            raise refuse(400, "BadParameter", "Key and signing or encryption algorithm are incompatible.")
        operation = {"wrapkey": "wrapKey", "unwrapkey": "unwrapKey"}[verb]
        if operation not in key.ops:
            raise refuse(403, "Forbidden", f"Operation {operation} is not permitted on this key.",
                         "KeyOperationForbidden")
        self.usable(operation, key)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        private, data = key.versions[version], unb64url(sent.get("value"))
        try:
            done = private.public_key().encrypt(data, oaep) if verb == "wrapkey" else private.decrypt(data, oaep)
        except ValueError:
            raise refuse(400, "BadParameter", "The parameter is incorrect.")
        return Answer(200, {"kid": kid, "value": b64url(done)})

    def usable(self, operation, key):
        now = time.time()
        if not key.enabled:
            raise refuse(403, "Forbidden", f"Operation {operation} is not allowed on a disabled key.", "KeyDisabled")
        # Unwrapping is allowed outside the dates, so that old data stays readable.
        if operation == "wrapKey" and key.expires and key.expires < now:
            raise refuse(403, "Forbidden", f"Operation {operation} is not allowed on an expired key.", "KeyExpired")

    def describe(self, kid, key, version):
        public = key.versions[version].public_key().public_numbers()
        attributes = {"enabled": key.enabled, "created": 1767225600, "updated": 1767225600, "exportable": False,
                      "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90, "hsmPlatform": "2"}
        if key.expires:
            attributes["exp"] = int(key.expires)
        return {"key": {"kid": kid, "kty": key.kty, "key_ops": key.ops, "n": b64url(public.n.to_bytes(256)),
                        "e": b64url(public.e.to_bytes(3))}, "attributes": attributes}


if __name__ == "__main__":
    Azure().run()
