"""OpenStack Barbican's KMIP plugin itself, out of the released package: every kind of secret it generates, stores,
reads and deletes. Only the services around the plugin are missing."""
import base64
import logging
import os
import shutil
import sys
import tempfile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

sys.argv = sys.argv[:1]  # the plugin reads its configuration from the command line when it is imported
from barbican.plugin import kmip_secret_store as kmip  # noqa: E402
from barbican.plugin.interface import secret_store as ss  # noqa: E402

logging.disable(logging.CRITICAL)
ENV = os.environ
PEM, PKCS8, SPKI = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo


def plugin(folder, **more):
    """The plugin as barbican.conf sets it up; it wants its key file with mode 400."""
    key = os.path.join(folder, "client.key")
    if not os.path.exists(key):
        shutil.copy(ENV["KMIP_KEY"], key)
        os.chmod(key, 0o400)
    settings = {"host": ENV["KMIP_HOST"], "port": int(ENV["KMIP_PORT"]), "ca_certs": ENV["KMIP_CA"],
                "certfile": ENV["KMIP_CERT"], "keyfile": key, **more}
    for name, value in settings.items():
        kmip.CONF.set_override(name, value, group="kmip_plugin")
    return kmip.KMIPSecretStore(kmip.CONF)


def refused(call):
    try:
        call()
    except ss.SecretGeneralException:
        return True
    return False


def round_trip(store, kind, plain, spec):
    """Stored, read back as it was, deleted, and then gone."""
    where = store.store_secret(ss.SecretDTO(kind, base64.b64encode(plain), spec, None))
    back = store.get_secret(kind, where)
    assert back.type == kind, back.type
    assert back.key_spec.bit_length == spec.bit_length, (kind, back.key_spec.bit_length)
    store.delete_secret(where)
    assert refused(lambda: store.get_secret(kind, where)), "a deleted secret was given"
    return base64.b64decode(back.secret)


def secrets(store):
    key = os.urandom(32)
    assert round_trip(store, ss.SecretType.SYMMETRIC, key, ss.KeySpec(ss.KeyAlgorithm.AES, 256)) == key
    for kind in (ss.SecretType.PASSPHRASE, ss.SecretType.OPAQUE):
        assert round_trip(store, kind, b"a secret", ss.KeySpec()) == b"a secret"
    with open(ENV["KMIP_CERT"], "rb") as file:
        certificate = file.read().split(b"-----END CERTIFICATE-----")[0] + b"-----END CERTIFICATE-----\n"
    assert round_trip(store, ss.SecretType.CERTIFICATE, certificate, ss.KeySpec()).strip() == certificate.strip()
    pair = rsa.generate_private_key(65537, 2048)
    spec = ss.KeySpec(ss.KeyAlgorithm.RSA, 2048)
    private = pair.private_bytes(PEM, PKCS8, serialization.NoEncryption())
    public = pair.public_key().public_bytes(PEM, SPKI)
    return [(ss.SecretType.PRIVATE, private, spec), (ss.SecretType.PUBLIC, public, spec)]


with tempfile.TemporaryDirectory() as folder:
    store = plugin(folder, username="barbican", password="secret")
    for kind, pem, spec in secrets(store):
        assert round_trip(store, kind, pem, spec) == pem, kind

    for algorithm, bits in [(ss.KeyAlgorithm.AES, 128), (ss.KeyAlgorithm.AES, 192), (ss.KeyAlgorithm.AES, 256),
                            (ss.KeyAlgorithm.HMACSHA256, 256)]:
        where = store.generate_symmetric_key(ss.KeySpec(algorithm, bits))
        made = store.get_secret(ss.SecretType.SYMMETRIC, where)
        assert len(base64.b64decode(made.secret)) * 8 == bits, (algorithm, bits)
        assert made.key_spec.alg == algorithm
        store.delete_secret(where)

    for bits in (2048, 3072):
        pair = store.generate_asymmetric_key(ss.KeySpec(ss.KeyAlgorithm.RSA, bits))
        private = store.get_secret(ss.SecretType.PRIVATE, pair.private_key_meta)
        public = store.get_secret(ss.SecretType.PUBLIC, pair.public_key_meta)
        assert private.key_spec.bit_length == public.key_spec.bit_length == bits
        for where in (pair.private_key_meta, pair.public_key_meta):
            store.delete_secret(where)

    # Another client's secrets are not there for it.
    other = plugin(folder, username=None, password=None)
    where = other.store_secret(ss.SecretDTO(ss.SecretType.PASSPHRASE, base64.b64encode(b"mine"), ss.KeySpec(), None))
    stranger_key = os.path.join(folder, "stranger.key")
    shutil.copy(ENV["KMIP_KEY2"], stranger_key)
    os.chmod(stranger_key, 0o400)
    stranger = plugin(folder, certfile=ENV["KMIP_CERT2"], keyfile=stranger_key)
    assert refused(lambda: stranger.get_secret(ss.SecretType.PASSPHRASE, where))
print("ok barbican")
