"""Drives the fake Key Vault and Entra ID with Microsoft's own SDKs, azure-keyvault-keys and azure-identity."""

import json
import sys

from fake import client_environment

client_environment(sys.argv[2])

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError  # noqa: E402
from azure.identity import CertificateCredential, ClientSecretCredential  # noqa: E402
from azure.keyvault.keys import KeyClient  # noqa: E402
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm  # noqa: E402


def main(port, hello):
    base = f"https://localhost:{port}"
    known = {"authority": base, "disable_instance_discovery": True}
    ids = (hello["directory"], hello["client"])
    by_secret = ClientSecretCredential(*ids, hello["secret"], **known)
    by_certificate = CertificateCredential(
        *ids, certificate_data=(hello["certificate"] + hello["private_key"]).encode(), **known)
    for credential in (by_secret, by_certificate):
        client = KeyClient(base, credential, verify_challenge_resource=False)
        key = client.get_key("one")
        assert key.properties.enabled and key.key_type == "RSA-HSM" and len(key.properties.version) == 32
        # Without the permission to read the key it is the service that wraps.
        remote = CryptographyClient(key, credential, verify_challenge_resource=False)
        wrapped = remote.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"x" * 64).encrypted_key
        assert remote.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == b"x" * 64
        other = CryptographyClient(client.get_key("two"), credential, verify_challenge_resource=False)
        refuses(HttpResponseError, lambda: other.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped))
        refuses(ResourceNotFoundError, lambda: client.get_key("none"))
    wrong = KeyClient(base, ClientSecretCredential(*ids, "wrong", **known), verify_challenge_resource=False)
    refuses(ClientAuthenticationError, lambda: wrong.get_key("one"))


def refuses(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[3]))
    print(json.dumps({"driver": "azure-keyvault-keys", "passed": True}))
