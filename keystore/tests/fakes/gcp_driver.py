"""Drives the fake Google Cloud KMS with Google's own SDKs, google-cloud-kms and google-auth."""

import json
import sys

from fake import client_environment

client_environment(sys.argv[2])

from google.api_core import exceptions  # noqa: E402
from google.auth.transport.requests import Request  # noqa: E402
from google.cloud import kms_v1  # noqa: E402
from google.cloud.kms_v1.services.key_management_service.transports import (  # noqa: E402
    KeyManagementServiceRestTransport)
from google.oauth2 import service_account  # noqa: E402

from gcp import crc32c  # noqa: E402


def main(port, hello):
    info = {**json.loads(hello["key_json"]), "token_uri": f"https://localhost:{port}/token"}
    credentials = service_account.Credentials.from_service_account_info(
        info, scopes=["https://www.googleapis.com/auth/cloudkms"])
    credentials.refresh(Request())
    assert credentials.token.startswith("ya29.")

    transport = KeyManagementServiceRestTransport(host=f"localhost:{port}", credentials=credentials)
    client = kms_v1.KeyManagementServiceClient(transport=transport)
    one, two = hello["keys"]
    key = client.get_crypto_key(name=one, retry=None)
    assert key.primary.state == kms_v1.CryptoKeyVersion.CryptoKeyVersionState.ENABLED
    plain, aad = b"x" * 64, b"place"
    sealed = client.encrypt(request={"name": one, "plaintext": plain, "additional_authenticated_data": aad,
                                     "plaintext_crc32c": int(crc32c(plain)),
                                     "additional_authenticated_data_crc32c": int(crc32c(aad))}, retry=None)
    assert sealed.verified_plaintext_crc32c and sealed.verified_additional_authenticated_data_crc32c
    assert sealed.name == one + "/cryptoKeyVersions/1"
    assert sealed.ciphertext_crc32c == int(crc32c(sealed.ciphertext))

    def opened(name, **more):
        return client.decrypt(request={"name": name, "ciphertext": sealed.ciphertext, **more}, retry=None)

    back = opened(one, additional_authenticated_data=aad)
    assert back.plaintext == plain and back.plaintext_crc32c == int(crc32c(plain))
    refuses(exceptions.BadRequest, lambda: opened(one))
    refuses(exceptions.BadRequest, lambda: opened(two, additional_authenticated_data=aad))
    refuses(exceptions.BadRequest, lambda: opened(one, ciphertext_crc32c=1))
    refuses(exceptions.NotFound, lambda: client.get_crypto_key(name=one + "x", retry=None))


def refuses(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[3]))
    print(json.dumps({"driver": "google-cloud-kms", "passed": True}))
