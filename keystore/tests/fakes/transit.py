"""A strict transit engine, written from the HTTP API of Vault and OpenBao (secret engine `transit`, auth
methods `token`, `approle` and `jwt`, `sys/capabilities-self`, `sys/health`).

What it is strict about: the token and its policy (a capability per path; encrypting with an absent key
needs `create`), key types and what they may do, associated data, canonical `vault:v<n>:` ciphertexts,
`min_decryption_version`, sealed and standby states, the shape of errors.
"""

import base64
import json
import os
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from fake import Answer, Fake

POLICY = {"keyraft": {
    "transit/encrypt/k1": ["update"], "transit/decrypt/k1": ["update"], "transit/keys/k1": ["read"],
    "transit/encrypt/k2": ["update"], "transit/decrypt/k2": ["update"], "transit/keys/k2": ["read"],
    "transit/keys/rsa": ["read"], "transit/encrypt/rsa": ["update"], "transit/decrypt/rsa": ["update"],
    "transit/keys/none": ["read"],
}}
AEAD = {"aes256-gcm96": (32, AESGCM), "aes128-gcm96": (16, AESGCM), "chacha20-poly1305": (32, ChaCha20Poly1305)}


def errors(status, *texts):
    return Answer(status, {"errors": list(texts)})


def b64(text, what):
    try:
        return base64.b64decode(text, validate=True)
    except Exception:
        raise errors(400, f"failed to base64-decode {what}")


class Key:
    def __init__(self, kind="aes256-gcm96"):
        self.kind, self.versions, self.min_decryption = kind, [], 1
        self.exportable = False
        self.rotate()

    def rotate(self):
        size = AEAD.get(self.kind, (32, None))[0]
        self.versions.append((os.urandom(size), int(time.time())))


class Transit(Fake):
    def __init__(self):
        super().__init__()
        self.tokens = {"hvs.root": "root", "hvs.keyraft": "keyraft", "hvs.nothing": "nothing",
                       "hvs.periodic": "keyraft"}
        # When a token ends, by how much it is renewed (0: it is not); those that are not here do not end.
        self.ends, self.renewals = {"hvs.periodic": (time.time() + 3600, 3600)}, 0
        self.policies = {name: dict(rules) for name, rules in POLICY.items()} | {"nothing": {}}
        self.keys = {"k1": Key(), "k2": Key(), "rsa": Key("rsa-2048")}
        self.secret_ids = {("role-1", "secret-1"): "keyraft"}
        self.state, self.issued, self.refusals = "active", 0, 0

    def command(self, words):
        if "state" in words:
            self.state = words["state"]
        elif "deny" in words:
            self.policies["keyraft"].pop(words["deny"], None)
        elif "allow" in words:
            self.policies["keyraft"].update(POLICY["keyraft"])
        elif "rotate" in words:
            self.keys[words["rotate"]].rotate()
        elif "min_decryption" in words:
            self.keys["k1"].min_decryption = words["min_decryption"]
        elif "delete" in words:
            self.deleted = self.keys.pop(words["delete"])
        elif "undelete" in words:
            self.keys[words["undelete"]] = self.deleted
        elif "replace" in words:
            self.keys[words["replace"]] = Key()
        elif "revoke" in words:
            self.tokens = {token: policy for token, policy in self.tokens.items() if policy == "root"}
        elif "refuse" in words:
            self.refusals = words["refuse"]
        elif "token" in words:
            self.tokens[words["token"]] = words.get("policy", "keyraft")
            if "ttl" in words:
                self.ends[words["token"]] = (time.time() + words["ttl"], words["ttl"] * words["renewable"])
        elif "renewals" in words:
            return {"renewals": self.renewals}
        elif "exportable" in words:
            self.keys["k1"].exportable = words["exportable"]
        elif "logins" in words:
            return {"logins": self.issued}
        else:
            return {"error": "unknown command"}

    def throttled(self):
        return Answer(429, {"errors": ["request path \"transit/encrypt/k1\": rate limit quota exceeded"]},
                      {"Retry-After": "7"})

    def respond(self, method, path, query, headers, body):
        if not path.startswith("/v1/"):
            raise errors(404)
        path = path[len("/v1/"):]
        if path == "sys/health":
            status = {"active": 200, "sealed": 503, "standby": 429, "dr": 472}[self.state]
            return Answer(status, {"initialized": True, "sealed": self.state == "sealed"})
        if self.state == "sealed":
            raise errors(503, "Vault is sealed")
        if self.state != "active":
            raise errors(500, "local node not active but active cluster node not found")
        if headers.get("X-Vault-Namespace", "").strip("/"):
            raise errors(404, "no handler for route \"%s\". route entry not found." % path)
        try:
            sent = json.loads(body) if body else {}
        except ValueError:
            raise errors(400, "failed to parse JSON input: invalid character")
        if path == "auth/approle/login" and method in ("POST", "PUT"):
            return self.log_in(self.secret_ids.get((sent.get("role_id"), sent.get("secret_id"))),
                               errors(400, "invalid role or secret ID"))
        if path == "auth/jwt/login" and method in ("POST", "PUT"):
            good = sent.get("role") == "keyraft" and sent.get("jwt") == "node.identity.token"
            return self.log_in("keyraft" if good else None, errors(400, "error validating token"))
        token = headers.get("X-Vault-Token")
        policy = self.tokens.get(token)
        end, by = self.ends.get(token, (None, 0))
        if self.refusals:
            self.refusals -= 1
            policy = None
        if policy is None or (end is not None and end <= time.time()):
            raise errors(403, "permission denied", "invalid token")
        if path == "sys/capabilities-self" and method in ("POST", "PUT"):
            held = {name: self.capabilities(policy, name) for name in sent["paths"]}
            return Answer(200, {"data": held, **held})
        if path == "auth/token/lookup-self":
            ttl = 0 if end is None else max(1, int(end - time.time()))
            return Answer(200, {"data": {"policies": [policy], "ttl": ttl, "renewable": by > 0}})
        if path == "auth/token/renew-self" and method in ("POST", "PUT"):
            if not by:
                raise errors(400, "lease is not renewable")
            self.renewals += 1
            self.ends[token] = (time.time() + by, by)
            return Answer(200, {"auth": {"client_token": token, "lease_duration": by, "renewable": True,
                                         "policies": [policy], "accessor": "a", "metadata": {}}})
        return self.engine(method, path, sent, policy)

    def log_in(self, policy, refused):
        if policy is None:
            raise refused
        self.issued += 1
        token = f"hvs.issued-{self.issued}"
        self.tokens[token] = policy
        return Answer(200, {"auth": {"client_token": token, "lease_duration": 3600, "renewable": True,
                                     "policies": [policy], "accessor": "a", "metadata": {}}})

    def capabilities(self, policy, path):
        if policy == "root":
            return ["root"]
        return self.policies[policy].get(path, ["deny"])

    def need(self, policy, path, capability):
        held = self.capabilities(policy, path)
        if "root" not in held and capability not in held:
            raise errors(403, "1 error occurred:\n\t* permission denied\n\n")

    def engine(self, method, path, sent, policy):
        parts = path.split("/")
        if parts[0] != "transit" or len(parts) < 3:
            self.need(policy, path, "read")
            raise errors(404, f"no handler for route \"{path}\". route entry not found.")
        verb, name = parts[1], parts[2]
        key = self.keys.get(name)
        if verb == "keys" and method == "GET":
            self.need(policy, path, "read")
            if key is None:
                raise errors(404)
            return Answer(200, {"data": self.describe(name, key)})
        if verb == "keys" and len(parts) == 3:
            self.need(policy, path, "update" if key else "create")
            self.keys.setdefault(name, Key(sent.get("type", "aes256-gcm96")))
            return Answer(204)
        if verb == "keys" and parts[3:] == ["rotate"]:
            self.need(policy, path, "update")
            key.rotate()
            return Answer(204)
        if method not in ("POST", "PUT") or verb not in ("encrypt", "decrypt"):
            raise errors(405, "unsupported operation")
        # Encrypting with an absent key makes one, so it asks for another capability.
        self.need(policy, path, "create" if verb == "encrypt" and key is None else "update")
        if key is None:
            raise errors(400, "encryption key not found")
        if key.kind not in AEAD and "associated_data" in sent:
            raise errors(400, f"message decryption not supported for key type {key.kind}")
        return self.encrypt(key, sent) if verb == "encrypt" else self.decrypt(key, sent)

    def describe(self, name, key):
        return {"name": name, "type": key.kind, "latest_version": len(key.versions),
                "min_decryption_version": key.min_decryption, "min_encryption_version": 0,
                "keys": {str(i + 1): made for i, (_, made) in enumerate(key.versions)},
                "derived": False, "exportable": key.exportable, "allow_plaintext_backup": False,
                "deletion_allowed": False, "imported_key": False, "supports_encryption": True,
                "supports_decryption": True, "supports_signing": False, "supports_derivation": True}

    def encrypt(self, key, sent):
        plain = b64(sent.get("plaintext", ""), "plaintext")
        aad = b64(sent.get("associated_data", ""), "associated_data")
        number = sent.get("key_version") or len(key.versions)
        nonce = os.urandom(12)
        sealed = AEAD[key.kind][1](key.versions[number - 1][0]).encrypt(nonce, plain, aad or None)
        text = f"vault:v{number}:" + base64.b64encode(nonce + sealed).decode()
        return Answer(200, {"data": {"ciphertext": text, "key_version": number}})

    def decrypt(self, key, sent):
        parts = sent.get("ciphertext", "").split(":")
        if len(parts) != 3 or parts[0] != "vault" or not parts[1].startswith("v"):
            raise errors(400, "invalid ciphertext: no prefix")
        try:
            number = int(parts[1][1:])
        except ValueError:
            raise errors(400, "invalid ciphertext: version number could not be decoded")
        if number > len(key.versions) or number < 1:
            raise errors(400, "invalid ciphertext: version is too new")
        if number < key.min_decryption:
            raise errors(400, "ciphertext or signature version is disallowed by policy (too old)")
        sealed = b64(parts[2], "ciphertext")
        aad = b64(sent.get("associated_data", ""), "associated_data")
        try:
            plain = AEAD[key.kind][1](key.versions[number - 1][0]).decrypt(sealed[:12], sealed[12:], aad or None)
        except (InvalidTag, ValueError):
            raise errors(400, "cipher: message authentication failed")
        return Answer(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})


if __name__ == "__main__":
    Transit().run()
