"""Percona Server for MongoDB's data at rest, by its messages: KMIP 1.0, one connection per start, poll or rotation.

A node registers its master key without a name and keeps the identifier; every start asks for the State first and for
the key only if that is Active; polls ask for the State alone, and a node whose key is not Active shuts down."""
import os
import uuid

from messages import (ACTIVE, DEACTIVATED, ITEM_NOT_FOUND, PRE_ACTIVE, RAW, SYMMETRIC_KEY, Line, aes_attributes, attributes, field,
                      get, refused, symmetric_key, uid)

V1_0 = (1, 0)


def first_start(key, activate=True):
    """The identifier that goes into the node's metadata."""
    with Line(8192) as line:
        template = field("TemplateAttribute", aes_attributes(256, 12))
        answer = line.ask(V1_0, "Register", field("ObjectType", SYMMETRIC_KEY), template, symmetric_key(key))
        identifier = get(answer, "UniqueIdentifier")
        if activate:
            assert get(line.ask(V1_0, "Activate", uid(identifier)), "UniqueIdentifier") == identifier
        return identifier


def state(line, identifier):
    answer = line.ask(V1_0, "GetAttributes", uid(identifier), field("AttributeName", "State"))
    assert [name for name, _ in answer] == ["UniqueIdentifier", "Attribute"], answer
    return attributes(answer)["State"]


def poll(identifier):
    with Line(8192) as line:
        return state(line, identifier)


def read(line, identifier):
    answer = line.ask(V1_0, "Get", uid(identifier))
    block = get(answer, "SymmetricKey", "KeyBlock")
    assert get(answer, "ObjectType") == SYMMETRIC_KEY and get(block, "KeyFormatType") == RAW, answer
    assert [name for name, _ in block] == ["KeyFormatType", "KeyValue", "CryptographicAlgorithm", "CryptographicLength"], block
    return get(block, "KeyValue", "KeyMaterial")


def start(identifier):
    with Line(8192) as line:
        assert state(line, identifier) == ACTIVE
        return read(line, identifier)


key = os.urandom(32)
identifier = first_start(key)
assert (start(identifier), poll(identifier)) == (key, ACTIVE)
# kmipRotateMasterKey: the old key is read once more, a new one takes over.
new_key = os.urandom(32)
assert start(identifier) == key
new = first_start(new_key)
assert start(new) == new_key
# Somebody revokes the key: the next poll tells, the node stops; its data can still be rescued with the key.
with Line() as line:
    line.ask(V1_0, "Revoke", uid(new), field("RevocationReason", [field("RevocationReasonCode", 1)]))
    assert (state(line, new), read(line, new)) == (DEACTIVATED, new_key)
    line.ask(V1_0, "Destroy", uid(new))
    # Only Item Not Found means "no such key" to the server; anything else sends it to the next host.
    refused(ITEM_NOT_FOUND, read, line, new)
    refused(ITEM_NOT_FOUND, read, line, str(uuid.uuid4()))
# kmipActivateKeys = false.
assert poll(first_start(os.urandom(32), activate=False)) == PRE_ACTIVE
print("ok psmdb")
