"""Drives the fake transit engine with HashiCorp's ecosystem client, hvac: what it accepts, others will."""

import base64
import json
import sys

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultDown


def main(port, ca, _hello):
    client = hvac.Client(url=f"https://localhost:{port}", token="hvs.keyraft", verify=ca)
    transit = client.secrets.transit
    key = transit.read_key("k1")["data"]
    assert key["type"] == "aes256-gcm96" and key["latest_version"] >= 1
    plain = base64.b64encode(b"sixty-four bytes of payload").decode()
    aad = base64.b64encode(b"place").decode()
    sealed = transit.encrypt_data("k1", plaintext=plain, associated_data=aad)["data"]["ciphertext"]
    assert sealed.startswith("vault:v1:")
    assert transit.decrypt_data("k1", ciphertext=sealed, associated_data=aad)["data"]["plaintext"] == plain
    refuses(InvalidRequest, lambda: transit.decrypt_data("k1", ciphertext=sealed))
    refuses(InvalidRequest, lambda: transit.decrypt_data("k2", ciphertext=sealed, associated_data=aad))
    refuses(Forbidden, lambda: transit.encrypt_data("none", plaintext=plain))
    refuses(InvalidPath, lambda: transit.read_key("none"))
    refuses(Forbidden, lambda: hvac.Client(url=client.url, token="x", verify=ca).secrets.transit.read_key("k1"))
    held = client.sys.get_capabilities(paths=["transit/encrypt/k1", "transit/export/k1"])["data"]
    assert held == {"transit/encrypt/k1": ["update"], "transit/export/k1": ["deny"]}, held
    login = hvac.Client(url=client.url, verify=ca).auth.approle.login("role-1", "secret-1")
    assert login["auth"]["client_token"].startswith("hvs.")
    periodic = hvac.Client(url=client.url, token="hvs.periodic", verify=ca).auth.token
    assert periodic.lookup_self()["data"]["renewable"] and periodic.lookup_self()["data"]["ttl"] > 3000
    assert periodic.renew_self()["auth"]["lease_duration"] == 3600
    assert client.auth.token.lookup_self()["data"]["ttl"] == 0
    refuses(InvalidRequest, client.auth.token.renew_self)
    assert client.sys.read_health_status(method="GET")["initialized"]


def refuses(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    print(json.dumps({"driver": "hvac", "passed": True}))
