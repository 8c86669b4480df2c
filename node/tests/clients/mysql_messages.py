"""Percona Server for MySQL's component_keyring_kmip, by its messages: both libraries it was built with.

Written after the component's backend and libkmip: a server start lists all objects of its group and reads each with
its name, a new tablespace key is registered and activated, a key removed is revoked and destroyed."""
import os
import uuid

from messages import (ACTIVE, DEACTIVATED, ENUMERATION, ITEM_NOT_FOUND, OPAQUE, PASSWORD, SECRET_DATA, SYMMETRIC_KEY, Line,
                      aes_attributes, attribute, attributes, every, field, get, name_attribute, refused, symmetric_key, uid)

PAGE = 16


class C:
    """libkmip (C), up to 8.0.4x: KMIP 1.0 for most, 1.4 for Register and the name, answers of at most 8 KiB, a
    connection per call of the component, Offset Items even in 1.0, identifiers of at most 127 characters."""

    name = "libkmip"

    def __init__(self, tenant=""):
        self.tenant = tenant

    def line(self):
        return Line(8192, self.tenant)

    def locate(self, line, group, kind):
        found = []
        while True:
            answer = line.ask((1, 0), "Locate", field("MaximumItems", PAGE), field("OffsetItems", len(found)),
                              attribute("Object Type", kind, ENUMERATION), attribute("Object Group", group))
            page = every(answer, "UniqueIdentifier")
            assert len(page) <= PAGE and all(len(one) <= 127 for one in page), page
            found += page
            if not page:  # Located Items is younger than 1.0: the library asks until a page is empty
                return found

    def read(self, line, identifier, kind):
        payload = line.ask((1, 0), "Get", uid(identifier))
        named = attributes(line.ask((1, 4), "GetAttributes", uid(identifier), field("AttributeName", "Name")))
        assert list(named) == ["Name"], named
        return material(payload, kind), get(named["Name"], "NameValue")

    def register(self, group, name, kind, value):
        with self.line() as line:
            identifier = get(line.ask((1, 4), "Register", *registered(group, name, kind, value)), "UniqueIdentifier")
            assert get(line.ask((1, 0), "Activate", uid(identifier)), "UniqueIdentifier") == identifier
        return identifier

    def remove(self, identifier):
        with self.line() as line:
            line.ask((1, 0), "Revoke", uid(identifier), revocation())
            line.ask((1, 0), "Destroy", uid(identifier))


class Cpp(C):
    """kmipclient (C++): KMIP 1.4, one connection kept, item ids and Batch Order Option in every request, the key and
    all its attributes in one batch."""

    name = "kmipclient"

    def __init__(self, tenant=""):
        super().__init__(tenant)
        self.kept = Line(1 << 20, tenant, order=1, item_ids=4)
        functions = [field("QueryFunction", number) for number in (1, 2, 3, 4)]
        assert every(self.kept.ask((1, 4), "Query", *functions), "Operation"), "Query lists nothing"

    def line(self):
        return Kept(self.kept)

    def locate(self, line, group, kind):
        found = []
        while True:
            answer = line.ask((1, 4), "Locate", field("MaximumItems", PAGE), field("OffsetItems", len(found)) if found else None,
                              attribute("Object Type", kind, ENUMERATION), attribute("Object Group", group))
            page = every(answer, "UniqueIdentifier")
            found += page
            located = get(answer, "LocatedItems")
            if len(page) < PAGE or located is not None and len(found) >= located:
                return found

    def read(self, line, identifier, kind):
        payload, described = line.batch((1, 4), ("Get", [uid(identifier)]), ("GetAttributes", [uid(identifier)]))
        described = attributes(described)
        assert described["State"] == ACTIVE, described
        return material(payload, kind), get(described["Name"], "NameValue")

    def register(self, group, name, kind, value):
        identifier = get(self.kept.ask((1, 4), "Register", *registered(group, name, kind, value)), "UniqueIdentifier")
        assert get(self.kept.ask((1, 4), "Activate", uid(identifier)), "UniqueIdentifier") == identifier
        return identifier

    def remove(self, identifier):
        self.kept.ask((1, 4), "Revoke", uid(identifier), revocation())
        state = attributes(self.kept.ask((1, 4), "GetAttributes", uid(identifier), field("AttributeName", "State")))
        assert state == {"State": DEACTIVATED}, state
        self.kept.ask((1, 4), "Destroy", uid(identifier))


class Kept:
    """A connection that outlives the call."""

    def __init__(self, line):
        self.line = line

    def __enter__(self):
        return self.line

    def __exit__(self, *_):
        pass


def registered(group, name, kind, value):
    group = attribute("Object Group", group)
    if kind == SYMMETRIC_KEY:
        template = aes_attributes(8 * len(value), 12) + [name_attribute(name), group]
        thing = symmetric_key(value)
    else:  # mask Derive Key and Export
        template = [attribute("Cryptographic Usage Mask", 0x240), name_attribute(name), group]
        thing = field("SecretData", [field("SecretDataType", PASSWORD), field("KeyBlock", [
            field("KeyFormatType", OPAQUE), field("KeyValue", [field("KeyMaterial", value)])])])
    return field("ObjectType", kind), field("TemplateAttribute", template), thing


def revocation():
    return field("RevocationReason", [field("RevocationReasonCode", 1), field("RevocationMessage", "Deleting the key")])


def material(payload, kind):
    assert get(payload, "ObjectType") == kind, payload
    thing = get(payload, "SymmetricKey" if kind == SYMMETRIC_KEY else "SecretData")
    return get(thing, "KeyBlock", "KeyValue", "KeyMaterial")


def server_start(library, group):
    """What the component holds in memory after a start: {name: value}."""
    found = {}
    with library.line() as line:
        for kind in (SYMMETRIC_KEY, SECRET_DATA):
            listed = library.locate(line, group, kind)
            assert len(set(listed)) == len(listed), "an object on two pages"
            for identifier in listed:
                value, name = library.read(line, identifier, kind)
                found[name] = value
    return found


def run(make):
    library, group = make(), "mysql-" + uuid.uuid4().hex[:12]
    assert server_start(library, group) == {}, "a new server finds keys"
    # More than one page; InnoDB names its master keys like this.
    keys = {"INNODBKey-%s-%d" % (group, number): os.urandom(32) for number in range(1, PAGE + 4)}
    identifiers = {name: library.register(group, name, SYMMETRIC_KEY, value) for name, value in keys.items()}
    secret = "secret-" + group
    identifiers[secret] = library.register(group, secret, SECRET_DATA, b"a password")
    assert server_start(make(), group) == {**keys, secret: b"a password"}, "not what was stored"
    for name in (secret, next(iter(keys))):
        library.remove(identifiers[name])
        keys.pop(name, None)
    assert server_start(make(), group) == keys, "removed keys are still there, or others are not"
    stranger = make("2")
    assert server_start(stranger, group) == {}, "another tenant finds the group"
    with stranger.line() as line:
        refused(ITEM_NOT_FOUND, stranger.read, line, next(reversed(identifiers.values())), SYMMETRIC_KEY)
    print("ok", library.name)


run(C)
run(Cpp)
