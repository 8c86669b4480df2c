"""Ceph's object gateway (SSE-KMS), by its messages: KMIP 1.0, a key made beforehand, found by its name alone (no
object type, no maximum), read for each object that is written or read, on connections kept for some seconds."""
import uuid

from messages import AES, RAW, SYMMETRIC_KEY, Line, aes_attributes, every, field, get, name_attribute, refused, uid
from messages import ITEM_NOT_FOUND

V1_0 = (1, 0)


def create(line, name):
    template = field("TemplateAttribute", aes_attributes(256, 12) + [name_attribute(name)])
    return get(line.ask(V1_0, "Create", field("ObjectType", SYMMETRIC_KEY), template), "UniqueIdentifier")


def fetch(line, name):
    """The 32 bytes an object is encrypted with."""
    found = every(line.ask(V1_0, "Locate", name_attribute(name)), "UniqueIdentifier")
    assert len(found) == 1, "%d keys of that name" % len(found)
    answer = line.ask(V1_0, "Get", uid(found[0]))
    block = get(answer, "SymmetricKey", "KeyBlock")
    assert (get(block, "KeyFormatType"), get(block, "CryptographicAlgorithm"), get(block, "CryptographicLength")) == (RAW, AES, 256)
    return get(block, "KeyValue", "KeyMaterial")


name = "rgw-" + uuid.uuid4().hex[:12]
with Line() as tool:
    identifier = create(tool, name)
    assert identifier in every(tool.ask(V1_0, "Locate"), "UniqueIdentifier"), "the tool's list of keys lacks it"
with Line() as gateway, Line() as another:
    key = fetch(gateway, name)
    assert len(key) == 32 and fetch(another, name) == key and fetch(gateway, name) == key
with Line(tenant="2") as stranger:
    assert every(stranger.ask(V1_0, "Locate", name_attribute(name)), "UniqueIdentifier") == []
    refused(ITEM_NOT_FOUND, stranger.ask, V1_0, "Get", uid(identifier))
print("ok ceph")
