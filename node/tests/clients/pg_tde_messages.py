"""PostgreSQL's pg_tde, by its messages: the principal key registered under a name, later found by it and read.

Written after the extension's KMIP keyring: libkmip, KMIP 1.4 for Register and 1.0 for the rest, no Activate, a new
connection for each call. Two hits for a name are an error there, so a name must be the tenant's own."""
import os
import uuid

from messages import (ENUMERATION, INVALID_FIELD, SYMMETRIC_KEY, Line, aes_attributes, attribute, every, field, get, name_attribute,
                      refused, symmetric_key, uid)


def register(name, key, tenant=""):
    """pg_tde_create_key_using_global_key_provider."""
    with Line(8192, tenant) as line:
        template = aes_attributes(8 * len(key), 12) + [name_attribute(name)]
        line.ask((1, 4), "Register", field("ObjectType", SYMMETRIC_KEY), field("TemplateAttribute", template), symmetric_key(key))


def find(name, tenant=""):
    """What a server start does: the key of that name, `None` without one."""
    with Line(8192, tenant) as line:
        answer = line.ask((1, 0), "Locate", field("MaximumItems", 16), field("OffsetItems", 0),
                          attribute("Object Type", SYMMETRIC_KEY, ENUMERATION), name_attribute(name))
        found = every(answer, "UniqueIdentifier")
        assert len(found) < 2, "two keys of one name"
        if not found:
            return None
        payload = line.ask((1, 0), "Get", uid(found[0]))
        assert get(payload, "ObjectType") == SYMMETRIC_KEY and get(payload, "UniqueIdentifier") == found[0]
        return get(payload, "SymmetricKey", "KeyBlock", "KeyValue", "KeyMaterial")


first, name = os.urandom(16), "pg_tde-" + uuid.uuid4().hex[:12]
assert find(name) is None
register(name, first)
assert find(name) == first
# Rotation registers the next one under another name; data of the old key is re-wrapped, then and not before.
second = os.urandom(32)
register(name + "-2", second)
assert (find(name), find(name + "-2")) == (first, second)
# Another tenant's server uses the same name and neither sees nor hinders ours.
assert find(name, "2") is None
other = os.urandom(16)
register(name, other, "2")
assert (find(name, "2"), find(name)) == (other, first)
# A second key of that name is refused: the extension could start with neither.
refused(INVALID_FIELD, register, name, os.urandom(16))
assert find(name) == first
print("ok pg_tde")
