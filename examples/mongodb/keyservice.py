"""How a driver reaches keyraft: the addresses and certificates of the environment that `keyraft dev` writes, the
KMS options of MongoDB's drivers, and a clock on every connection to the key service.

This is configuration. What an application does with its documents stands in application.py and knows none of it."""
import contextlib
import os
import socket
import tempfile
import time
from pathlib import Path

from pymongo.encryption import ClientEncryption
from pymongo.encryption_options import AutoEncryptionOpts


class Meter:
    """Seconds the driver waited for the key service.

    The driver asks `connect` for each connection to the key service. From that moment to the end of the operation
    everything counts, the driver's own work too: more than the key service took, never less."""

    def __init__(self):
        self.connections, self.waits, self._began = 0, [], None

    def connect(self, context):
        self._began = self._began or time.perf_counter()
        self.connections += 1
        line = socket.create_connection((context.host, context.port), context.timeout)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    @contextlib.contextmanager
    def operation(self):
        self._began = None
        yield
        if self._began is not None:
            self.waits.append(time.perf_counter() - self._began)


class Kmip:
    """Master keys in keyraft. `delegated`: they never leave it, it wraps and unwraps the data keys itself."""

    def __init__(self, port=None, cert="KMIP_CERT", key="KMIP_KEY", delegated=False):
        env = os.environ
        self.meter = Meter()
        self.provider, self.master_key = "kmip", {"delegated": True} if delegated else {}
        self._endpoint = "%s:%s" % (env["KMIP_HOST"], port or env["KMIP_PORT"])
        # Drivers want certificate and key in one file. It lives as long as this object, readable to nobody else.
        self._folder = tempfile.TemporaryDirectory(prefix="keyraft-example-")
        pem = Path(self._folder.name, "client.pem")
        with open(os.open(pem, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
            file.write(Path(env[cert]).read_bytes() + b"\n" + Path(env[key]).read_bytes())
        self._tls = {"kmip": {"tlsCAFile": env["KMIP_CA"], "tlsCertificateKeyFile": str(pem)}}

    def options(self):
        return {"kms_providers": {"kmip": {"endpoint": self._endpoint}}, "kms_tls_options": self._tls,
                "kms_connect_callback": self.meter.connect}


class Local:
    """A master key in the process: what the figures are compared with. Not a way to keep keys."""

    def __init__(self):
        self.meter = Meter()
        self.provider, self.master_key = "local", None
        self._key = os.urandom(96)

    def options(self):
        return {"kms_providers": {"local": {"key": self._key}}}


def automatic_decryption(keys, vault, key_expiration_ms=None):
    """For MongoClient: encrypted fields of whatever is read are decrypted on the way. (Automatic *encryption* asks for
    MongoDB's crypt_shared library; the application's own table of fields does that part.)"""
    return AutoEncryptionOpts(key_vault_namespace=vault, bypass_auto_encryption=True,
                              key_expiration_ms=key_expiration_ms, **keys.options())


def encryption(keys, vault, client, codec_options, key_expiration_ms=None):
    """What makes and turns keys, and encrypts values."""
    return ClientEncryption(key_vault_namespace=vault, key_vault_client=client, codec_options=codec_options,
                            key_expiration_ms=key_expiration_ms, **keys.options())
