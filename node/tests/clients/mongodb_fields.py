"""MongoDB's client-side field level encryption: libmongocrypt writes every KMIP byte, as inside each driver.

The key vault is a dictionary and there is no mongod; all the rest is what an application does. Both modes are
run: the master key fetched from the server for each use, and the master key that never leaves it."""
import os
import socket
import ssl

import bson
from bson.binary import STANDARD, Binary
from bson.codec_options import CodecOptions
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.mongocrypt import MongoCryptOptions
from pymongocrypt.synchronous.explicit_encrypter import ExplicitEncrypter
from pymongocrypt.synchronous.state_machine import MongoCryptCallback

ENV = os.environ
OPTIONS = CodecOptions(uuid_representation=STANDARD)
DETERMINISTIC = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
RANDOM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"


class Application(MongoCryptCallback):
    """What a driver does for libmongocrypt: carry bytes to the key server, keep the key vault."""

    def __init__(self, vault, port=None, cert="KMIP_CERT", key="KMIP_KEY"):
        self.vault, self.port, self.requests = vault, int(port or ENV["KMIP_PORT"]), 0
        # As strict as drivers are: chain and host name.
        self.tls = ssl.create_default_context(cafile=ENV["KMIP_CA"])
        self.tls.load_cert_chain(ENV[cert], ENV[key])

    def kms_request(self, kms_context):
        self.requests += 1
        with socket.create_connection((ENV["KMIP_HOST"], self.port), 30) as line:
            with self.tls.wrap_socket(line, server_hostname=ENV["KMIP_HOST"]) as stream:
                stream.sendall(bytes(kms_context.message))
                while kms_context.bytes_needed > 0:
                    read = stream.recv(kms_context.bytes_needed)
                    assert read, "the key server closed the connection"
                    kms_context.feed(read)

    def insert_data_key(self, data_key):
        document = bson.decode(data_key, OPTIONS)
        self.vault[document["_id"]] = document
        return Binary(document["_id"].bytes, 4)

    def fetch_keys(self, filter):
        for document in self.vault.values():
            yield bson.encode(document, codec_options=OPTIONS)

    def collection_info(self, database, filter):
        return None

    def mark_command(self, database, cmd):
        raise NotImplementedError

    def bson_encode(self, doc):
        return bson.encode(doc)

    def close(self):
        pass

    def __enter__(self):
        endpoint = "%s:%d" % (ENV["KMIP_HOST"], self.port)
        self.crypt = ExplicitEncrypter(self, MongoCryptOptions({"kmip": {"endpoint": endpoint}}))
        return self

    def __exit__(self, *_):
        self.crypt.close()

    def encrypt(self, value, algorithm, key):
        return bson.decode(self.crypt.encrypt(bson.encode({"v": value}), algorithm, key_id=bytes(key)), OPTIONS)["v"]

    def decrypt(self, value):
        return bson.decode(self.crypt.decrypt(bson.encode({"v": value})), OPTIONS)["v"]


def run(master_key):
    vault = {}
    with Application(vault) as first:
        key = first.crypt.create_data_key("kmip", dict(master_key))
        name = first.encrypt("Alice", DETERMINISTIC, key)
        card = first.encrypt("4532-0000", RANDOM, key)
        assert b"Alice" not in name and card != first.encrypt("4532-0000", RANDOM, key)
        assert name == first.encrypt("Alice", DETERMINISTIC, key)
    # Another process, and another node each time.
    for port in ENV["KMIP_PORTS"].split(","):
        with Application(vault, port) as other:
            assert (other.decrypt(name), other.decrypt(card)) == ("Alice", "4532-0000")
            assert other.encrypt("Alice", DETERMINISTIC, key) == name
            assert other.requests > 0, "the master key came from nowhere"
    # Rotation: every data key wrapped by a new master key, old fields still readable.
    with Application(vault) as rotating:
        before = {i: d["masterKey"]["keyId"] for i, d in vault.items()}
        for document in bson.decode(rotating.crypt.rewrap_many_data_key({}, "kmip", dict(master_key)), OPTIONS)["v"]:
            assert document["masterKey"]["keyId"] != before[document["_id"]]
            vault[document["_id"]].update(masterKey=document["masterKey"], keyMaterial=document["keyMaterial"])
    with Application(vault) as after:
        assert after.decrypt(card) == "4532-0000"
    # Another tenant that stole the vault and the documents.
    with Application(vault, cert="KMIP_CERT2", key="KMIP_KEY2") as thief:
        try:
            thief.decrypt(card)
        except MongoCryptError:
            pass
        else:
            raise AssertionError("another tenant read the field")


run({})
print("ok master key fetched")
run({"delegated": True})
print("ok master key kept on the server")
