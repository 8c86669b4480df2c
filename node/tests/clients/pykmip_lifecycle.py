"""The life of keys through PyKMIP's ProxyKmipClient, once for each version it speaks.

The cluster is in the environment, as `keyraft dev` writes it. Every check states a value; the first that does
not hold ends the run with a traceback."""
import hashlib
import hmac
import logging
import os
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from kmip.core import enums
from kmip.pie import objects
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure

logging.disable(logging.CRITICAL)
ENV = os.environ
MASKS = enums.CryptographicUsageMask
AES = enums.CryptographicAlgorithm.AES


def client(version, cert="KMIP_CERT", key="KMIP_KEY", port=None):
    return ProxyKmipClient(hostname=ENV["KMIP_HOST"], port=int(port or ENV["KMIP_PORT"]), cert=ENV[cert], key=ENV[key],
                           ca=ENV["KMIP_CA"], kmip_version=version)


def refused(call, *reasons):
    try:
        call()
    except KmipOperationFailure as failure:
        assert failure.reason in reasons, "refused with %s" % failure
        return
    raise AssertionError("not refused")


def symmetric(c, version):
    name = "pykmip %s %s" % (version.name, uuid.uuid4())
    uid = c.create(AES, 256, name=name, cryptographic_usage_mask=[MASKS.ENCRYPT, MASKS.DECRYPT])
    key = c.get(uid)
    assert isinstance(key, objects.SymmetricKey) and len(key.value) == 32 and key.cryptographic_length == 256
    for port in ENV["KMIP_PORTS"].split(","):
        with client(version, port=port) as other:
            assert other.get(uid).value == key.value, "another key from port %s" % port
    located = c.locate(attributes=[attribute("NAME", name)])
    assert located == [uid], located
    # By name: without names PyKMIP trips over attributes it does not know.
    _, attributes = c.get_attributes(uid, ["State", "Cryptographic Length", "Object Type", "x-none"])
    values = [(a.attribute_name.value, a.attribute_value.value) for a in attributes]
    assert values == [("State", enums.State.PRE_ACTIVE), ("Cryptographic Length", 256),
                      ("Object Type", enums.ObjectType.SYMMETRIC_KEY)], values
    assert "Cryptographic Algorithm" in c.get_attribute_list(uid)
    c.activate(uid)
    refused(lambda: c.destroy(uid), enums.ResultReason.PERMISSION_DENIED, enums.ResultReason.WRONG_KEY_LIFECYCLE_STATE)
    c.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid, "no longer needed")
    assert c.get(uid).value == key.value, "a deactivated key must stay readable"
    c.destroy(uid)
    refused(lambda: c.get(uid), enums.ResultReason.ITEM_NOT_FOUND, enums.ResultReason.OBJECT_DESTROYED)
    assert c.locate(attributes=[attribute("NAME", name)]) == []


def attribute(kind, value):
    from kmip.core.factories.attributes import AttributeFactory
    factory = AttributeFactory()
    if kind == "NAME":
        from kmip.core.attributes import Name
        value = Name.create(value, enums.NameType.UNINTERPRETED_TEXT_STRING)
    return factory.create_attribute(enums.AttributeType[kind], value)


def registered(c):
    material = os.urandom(16)
    # Names, because PyKMIP gives each kind the same one, and a name is unique in its tenant.
    for thing in [
        objects.SymmetricKey(AES, 128, material, masks=[MASKS.ENCRYPT], name=str(uuid.uuid4())),
        objects.SecretData(b"a password", enums.SecretDataType.PASSWORD, name=str(uuid.uuid4())),
        objects.OpaqueObject(material, enums.OpaqueDataType.NONE, name=str(uuid.uuid4())),
    ]:
        uid = c.register(thing)
        assert c.get(uid).value == thing.value, "%s comes back changed" % type(thing).__name__
        c.destroy(uid)


def cryptography(c):
    uid = c.create(AES, 256, cryptographic_usage_mask=[MASKS.ENCRYPT, MASKS.DECRYPT, MASKS.MAC_GENERATE])
    c.activate(uid)
    cbc = {"cryptographic_algorithm": AES, "block_cipher_mode": enums.BlockCipherMode.CBC,
           "padding_method": enums.PaddingMethod.PKCS5}
    data, made = c.encrypt(b"a message", uid, dict(cbc, random_iv=True))
    assert len(data) == 16 and len(made) == 16 and data != b"a message"
    assert c.decrypt(data, uid, cbc, made) == b"a message"
    secret = os.urandom(32)
    mac_key = c.register(objects.SymmetricKey(enums.CryptographicAlgorithm.HMAC_SHA256, 256, secret,
                                              masks=[MASKS.MAC_GENERATE, MASKS.MAC_VERIFY],
                                              name=str(uuid.uuid4())))
    c.activate(mac_key)
    _, mac = c.mac(b"a message", mac_key, enums.CryptographicAlgorithm.HMAC_SHA256)
    assert mac == hmac.new(secret, b"a message", hashlib.sha256).digest()
    signed_elsewhere(c)


def signed_elsewhere(c):
    """PyKMIP calls every public key X.509 unless told otherwise, those in PKCS#1 too."""
    signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = signer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    uid = c.register(objects.PublicKey(enums.CryptographicAlgorithm.RSA, 2048, public, masks=[MASKS.VERIFY],
                                       name=str(uuid.uuid4())))
    assert c.get(uid).value == public
    c.activate(uid)
    signature = signer.sign(b"a message", padding.PKCS1v15(), hashes.SHA256())
    how = {"cryptographic_algorithm": enums.CryptographicAlgorithm.RSA, "padding_method": enums.PaddingMethod.PKCS1v15,
           "hashing_algorithm": enums.HashingAlgorithm.SHA_256}
    for message, verdict in ((b"a message", "VALID"), (b"another", "INVALID")):
        found = c.signature_verify(message, signature, uid, how)
        assert found == enums.ValidityIndicator[verdict], found


def strangers(c, version):
    uid = c.create(AES, 128)
    with client(version, "KMIP_CERT2", "KMIP_KEY2") as stranger:
        for call in (stranger.get, stranger.activate, stranger.destroy):
            refused(lambda: call(uid), enums.ResultReason.ITEM_NOT_FOUND)
            refused(lambda: call(str(uuid.uuid4())), enums.ResultReason.ITEM_NOT_FOUND)
    assert len(c.get(uid).value) == 16
    c.destroy(uid)


for version in [enums.KMIPVersion.KMIP_1_0, enums.KMIPVersion.KMIP_1_1, enums.KMIPVersion.KMIP_1_2,
                enums.KMIPVersion.KMIP_1_3, enums.KMIPVersion.KMIP_1_4, enums.KMIPVersion.KMIP_2_0]:
    with client(version) as c:
        if version != enums.KMIPVersion.KMIP_2_0:
            symmetric(c, version)
        registered(c)
        strangers(c, version)
        if version >= enums.KMIPVersion.KMIP_1_2:
            cryptography(c)
    print("ok", version.name)
