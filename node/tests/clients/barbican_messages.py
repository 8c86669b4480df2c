"""OpenStack Barbican's KMIP plugin, by its messages: KMIP 1.2 on TLS pinned to 1.2, a user name and password in
every request, key pairs without usage masks, Destroy without Revoke.

The plugin itself needs a whole OpenStack; what it sends, it sends through PyKMIP's KMIPProxy like this."""
import logging
import os
import ssl

from kmip.core import enums, objects
from kmip.core.attributes import CryptographicParameters  # noqa: F401  (the plugin imports it too)
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.factories.credentials import CredentialFactory
from kmip.core.factories.secrets import SecretFactory
from kmip.services import auth
from kmip.services.kmip_client import KMIPProxy

logging.disable(logging.CRITICAL)
ENV = os.environ
A = enums.AttributeType


class Tls12(auth.TLS12AuthenticationSuite):
    """The plugin accepts nothing else."""


proxy = KMIPProxy(host=ENV["KMIP_HOST"], port=int(ENV["KMIP_PORT"]), certfile=ENV["KMIP_CERT"], keyfile=ENV["KMIP_KEY"],
                  ca_certs=ENV["KMIP_CA"], ssl_version="PROTOCOL_TLSv1_2", kmip_version=enums.KMIPVersion.KMIP_1_2)
credential = CredentialFactory().create_credential(enums.CredentialType.USERNAME_AND_PASSWORD,
                                                   {"Username": "barbican", "Password": "secret"})
attributes = AttributeFactory()


def template(*pairs):
    return objects.TemplateAttribute(attributes=[attributes.create_attribute(kind, value) for kind, value in pairs])


def good(result):
    assert result.result_status.value == enums.ResultStatus.SUCCESS, result.result_message
    return result


def text(value):
    return getattr(value, "value", value)


proxy.open()
assert proxy.socket.version() == "TLSv1.2", proxy.socket.version()
try:
    masks = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
    created = good(proxy.create(enums.ObjectType.SYMMETRIC_KEY, template(
        (A.CRYPTOGRAPHIC_ALGORITHM, enums.CryptographicAlgorithm.AES), (A.CRYPTOGRAPHIC_LENGTH, 256),
        (A.CRYPTOGRAPHIC_USAGE_MASK, masks)), credential=credential))
    got = good(proxy.get(text(created.uuid), credential=credential))
    assert len(got.secret.key_block.key_value.key_material.value) == 32
    good(proxy.destroy(text(created.uuid), credential=credential))  # never activated, never revoked

    secrets = SecretFactory()
    stored = secrets.create(enums.ObjectType.SECRET_DATA, {
        "key_format_type": enums.KeyFormatType.OPAQUE, "key_value": b"a passphrase",
        "secret_data_type": enums.SecretDataType.PASSWORD})
    registered = good(proxy.register(enums.ObjectType.SECRET_DATA, template(
        (A.CRYPTOGRAPHIC_USAGE_MASK, [])), stored, credential=credential))
    got = good(proxy.get(text(registered.uuid), credential=credential))
    assert got.secret.key_block.key_value.key_material.value == b"a passphrase"
    good(proxy.destroy(text(registered.uuid), credential=credential))

    pair = good(proxy.create_key_pair(common_template_attribute=objects.TemplateAttribute(
        tag=enums.Tags.COMMON_TEMPLATE_ATTRIBUTE,
        attributes=[attributes.create_attribute(A.CRYPTOGRAPHIC_ALGORITHM, enums.CryptographicAlgorithm.RSA),
                    attributes.create_attribute(A.CRYPTOGRAPHIC_LENGTH, 2048)]), credential=credential))
    for uid in (pair.private_key_uuid, pair.public_key_uuid):
        good(proxy.get(text(uid), credential=credential))
        good(proxy.destroy(text(uid), credential=credential))
finally:
    proxy.close()
print("ok barbican")
