"""VMware vCenter's standard key provider, by its messages: KMIP 1.1, an eight-byte id on every item, the versions and
abilities of the server asked first, three custom attributes put on each new key in one batch."""
from messages import (ACTIVE, AES, ENUMERATION, OPERATIONS, SYMMETRIC_KEY, TEXT, Line, aes_attributes, attribute,
                      attributes, every, field, get, uid, version_field)

V1_1 = (1, 1)
MARKS = {"x-Product_Version": "8.0.3 build-24022515", "x-Vendor": "VMware, Inc.", "x-Product": "VMware vSphere"}

with Line(item_ids=8) as line:
    spoken = every(line.ask(V1_1, "DiscoverVersions", version_field(V1_1)), "ProtocolVersion")
    assert [tuple(value for _, value in version) for version in spoken] == [V1_1], spoken
    offered = line.ask(V1_1, "Query", *(field("QueryFunction", number) for number in (1, 2, 3)))
    needed = {OPERATIONS[name] for name in ("Create", "Get", "GetAttributes", "AddAttribute", "Locate", "Destroy")}
    assert needed <= set(every(offered, "Operation")) and SYMMETRIC_KEY in every(offered, "ObjectType"), offered
    assert get(offered, "VendorIdentification"), "the provider's page shows no vendor"

    template = field("TemplateAttribute", aes_attributes(256, 12))
    identifier = get(line.ask(V1_1, "Create", field("ObjectType", SYMMETRIC_KEY), template), "UniqueIdentifier")
    # An attribute nobody set: success, with none.
    absent = line.ask(V1_1, "GetAttributes", uid(identifier), field("AttributeName", "x-Product_Version"))
    assert attributes(absent) == {}, absent
    line.batch(V1_1, *(("AddAttribute", [uid(identifier), attribute(name, text, TEXT)]) for name, text in MARKS.items()))
    marks = line.ask(V1_1, "GetAttributes", uid(identifier), *(field("AttributeName", name) for name in MARKS))
    assert attributes(marks) == MARKS, marks

# A host that starts an encrypted machine, on another connection; a key that is used is activated.
with Line(item_ids=8) as line:
    key = line.ask(V1_1, "Get", uid(identifier))
    block = get(key, "SymmetricKey", "KeyBlock")
    assert get(block, "CryptographicAlgorithm") == AES and len(get(block, "KeyValue", "KeyMaterial")) == 32
    line.ask(V1_1, "Activate", uid(identifier))
    state = attributes(line.ask(V1_1, "GetAttributes", uid(identifier), field("AttributeName", "State")))
    assert state == {"State": ACTIVE}, state
    found = every(line.ask(V1_1, "Locate", attribute("Object Type", SYMMETRIC_KEY, ENUMERATION),
                           attribute("x-Vendor", MARKS["x-Vendor"], TEXT)), "UniqueIdentifier")
    assert identifier in found, "not found by its vendor mark"
print("ok vcenter")
