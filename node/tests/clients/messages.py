"""What the scripts here need to speak as a client whose program cannot run in a test: requests field by field in
TTLV, answers read with the strictness of the strictest of these clients.

The cluster is in the environment, as `keyraft dev` writes it."""
import os
import socket
import ssl
import struct
import time

ENV = os.environ
STRUCTURE, INTEGER, LONG, _, ENUMERATION, BOOLEAN, TEXT, BYTES, DATE, INTERVAL = range(1, 11)

# Name, tag, type: the fields these clients send and read.
FIELDS = {name: (int(tag, 16), kind) for name, tag, kind in (
    ("Attribute", "420008", STRUCTURE), ("AttributeIndex", "420009", INTEGER), ("AttributeName", "42000A", TEXT),
    ("AttributeValue", "42000B", None), ("BatchCount", "42000D", INTEGER), ("BatchItem", "42000F", STRUCTURE),
    ("BatchOrderOption", "420010", BOOLEAN), ("CryptographicAlgorithm", "420028", ENUMERATION),
    ("CryptographicLength", "42002A", INTEGER), ("CryptographicUsageMask", "42002C", INTEGER),
    ("KeyBlock", "420040", STRUCTURE), ("KeyFormatType", "420042", ENUMERATION), ("KeyMaterial", "420043", BYTES),
    ("KeyValue", "420045", STRUCTURE), ("MaximumItems", "42004F", INTEGER), ("MaximumResponseSize", "420050", INTEGER),
    ("NameType", "420054", ENUMERATION), ("NameValue", "420055", TEXT), ("ObjectType", "420057", ENUMERATION),
    ("Operation", "42005C", ENUMERATION), ("ProtocolVersion", "420069", STRUCTURE),
    ("ProtocolVersionMajor", "42006A", INTEGER), ("ProtocolVersionMinor", "42006B", INTEGER),
    ("QueryFunction", "420074", ENUMERATION), ("RequestHeader", "420077", STRUCTURE),
    ("RequestMessage", "420078", STRUCTURE), ("RequestPayload", "420079", STRUCTURE),
    ("ResponseHeader", "42007A", STRUCTURE), ("ResponseMessage", "42007B", STRUCTURE),
    ("ResponsePayload", "42007C", STRUCTURE), ("ResultMessage", "42007D", TEXT), ("ResultReason", "42007E", ENUMERATION),
    ("ResultStatus", "42007F", ENUMERATION), ("RevocationMessage", "420080", TEXT),
    ("RevocationReason", "420081", STRUCTURE), ("RevocationReasonCode", "420082", ENUMERATION),
    ("SecretData", "420085", STRUCTURE), ("SecretDataType", "420086", ENUMERATION),
    ("SymmetricKey", "42008F", STRUCTURE), ("TemplateAttribute", "420091", STRUCTURE), ("TimeStamp", "420092", DATE),
    ("UniqueBatchItemID", "420093", BYTES), ("UniqueIdentifier", "420094", TEXT),
    ("VendorIdentification", "42009D", TEXT), ("OffsetItems", "4200D4", INTEGER), ("LocatedItems", "4200D5", INTEGER),
)}
NAMES = {tag: name for name, (tag, _) in FIELDS.items()}
OPERATIONS = {"Create": 1, "Register": 3, "Locate": 8, "Get": 10, "GetAttributes": 11, "AddAttribute": 13, "Activate": 18,
              "Revoke": 19, "Destroy": 20, "Query": 24, "DiscoverVersions": 30}
SYMMETRIC_KEY, SECRET_DATA, AES, RAW, OPAQUE, PASSWORD = 2, 7, 3, 1, 2, 1
ITEM_NOT_FOUND, INVALID_FIELD = 1, 7
PRE_ACTIVE, ACTIVE, DEACTIVATED = 1, 2, 3


def field(name, value, kind=None):
    """One item of TTLV; the value of a structure is a list of items, `None` among them counts for nothing."""
    tag, usual = FIELDS[name]
    kind = kind or usual
    if kind == STRUCTURE:
        body = b"".join(item for item in value if item)
    elif kind in (INTEGER, ENUMERATION, INTERVAL):
        body = struct.pack(">i" if kind == INTEGER else ">I", value)
    elif kind in (BOOLEAN, DATE, LONG):
        body = struct.pack(">q", value)
    else:
        body = value.encode() if kind == TEXT else bytes(value)
    return tag.to_bytes(3, "big") + bytes([kind]) + struct.pack(">I", len(body)) + body + bytes(-len(body) % 8)


def attribute(name, value, kind=None):
    """An attribute of KMIP 1.x without an index, as C clients send it; a list is a structure."""
    kind = kind or (STRUCTURE if isinstance(value, list) else TEXT if isinstance(value, str) else INTEGER)
    return field("Attribute", [field("AttributeName", name), field("AttributeValue", value, kind)])


def name_attribute(name):
    return attribute("Name", [field("NameValue", name), field("NameType", 1)])


def aes_attributes(bits, mask):
    return [attribute("Cryptographic Algorithm", AES, ENUMERATION), attribute("Cryptographic Length", bits),
            attribute("Cryptographic Usage Mask", mask)]


def symmetric_key(material):
    return field("SymmetricKey", [field("KeyBlock", [
        field("KeyFormatType", RAW), field("KeyValue", [field("KeyMaterial", material)]),
        field("CryptographicAlgorithm", AES), field("CryptographicLength", 8 * len(material))])])


def uid(identifier):
    return field("UniqueIdentifier", identifier)


def parse(data):
    """[(name, value)] of what stands in `data`; padding must be zero and nothing may be left over."""
    found, at = [], 0
    while at < len(data):
        tag, kind = int.from_bytes(data[at:at + 3], "big"), data[at + 3]
        length, = struct.unpack_from(">I", data, at + 4)
        raw, at = data[at + 8:at + 8 + length], at + 8 + length + -length % 8
        assert len(raw) == length and not any(data[at - -length % 8:at]), "length or padding"
        if kind == STRUCTURE:
            value = parse(raw)
        elif kind in (INTEGER, ENUMERATION, INTERVAL):
            value, = struct.unpack(">i" if kind == INTEGER else ">I", raw)
        elif kind in (BOOLEAN, DATE, LONG):
            value, = struct.unpack(">q", raw)
        else:
            value = raw.decode() if kind == TEXT else raw
        found.append((NAMES.get(tag, "%06X" % tag), value))
    return found


def get(items, *path):
    """The value at the end of a path of names, `None` where it is not."""
    for name in path:
        items = next((value for there, value in items if there == name), None)
        if items is None:
            return None
    return items


def every(items, name):
    return [value for there, value in items if there == name]


def attributes(payload):
    """{name: value} of an answer in KMIP 1.x."""
    return {get(one, "AttributeName"): get(one, "AttributeValue") for one in every(payload, "Attribute")}


class Refused(Exception):
    def __init__(self, reason, message):
        super().__init__("reason %s: %s" % (reason, message))
        self.reason = reason


class Line:
    """One connection as a C client makes it: chain checked, TLS 1.3, one request at a time."""

    def __init__(self, size_max=None, tenant="", order=None, item_ids=0):
        """`size_max`: Maximum Response Size; `order`: Batch Order Option; `item_ids`: bytes of Unique Batch Item ID."""
        self.size_max, self.order, self.item_ids = size_max, order, item_ids
        context = ssl.create_default_context(cafile=ENV["KMIP_CA"])
        context.load_cert_chain(ENV["KMIP_CERT" + tenant], ENV["KMIP_KEY" + tenant])
        line = socket.create_connection((ENV["KMIP_HOST"], int(ENV["KMIP_PORT"])), 30)
        self.stream = context.wrap_socket(line, server_hostname=ENV["KMIP_HOST"])
        assert self.stream.version() == "TLSv1.3", self.stream.version()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()  # without close_notify, as programs that end do

    def ask(self, version, operation, *payload):
        """The payload of the answer to a single request."""
        return self.batch(version, (operation, payload))[0]

    def batch(self, version, *requests):
        """The payloads of the answers; `Refused` for the first item that failed."""
        ids = [number.to_bytes(self.item_ids or 8, "big") for number, _ in enumerate(requests, 1)]
        header = field("RequestHeader", [
            version_field(version), field("MaximumResponseSize", self.size_max) if self.size_max else None,
            None if self.order is None else field("BatchOrderOption", self.order),
            field("TimeStamp", int(time.time())), field("BatchCount", len(requests))])
        items = [field("BatchItem", [
            field("Operation", OPERATIONS[operation]), field("UniqueBatchItemID", number) if self.item_ids else None,
            field("RequestPayload", payload)]) for number, (operation, payload) in zip(ids, requests)]
        self.stream.sendall(field("RequestMessage", [header] + items))
        return self._answers(version, [operation for operation, _ in requests], ids)

    def _answers(self, version, operations, ids):
        start = self._exactly(8)
        size, = struct.unpack(">I", start[4:])
        assert not self.size_max or 8 + size <= self.size_max, "%d bytes, more than asked for" % (8 + size)
        message = get(parse(start + self._exactly(size)), "ResponseMessage")
        header, answers = message[0][1], every(message, "BatchItem")
        # Parsers of C clients know these fields in this order and no others.
        assert [name for name, _ in header] == ["ProtocolVersion", "TimeStamp", "BatchCount"], header
        answered = tuple(value for _, value in get(header, "ProtocolVersion"))
        assert answered == version, "answered in %s, asked in %s" % (answered, version)
        assert get(header, "BatchCount") == len(answers) <= len(operations), "batch count"
        payloads = []
        for operation, number, item in zip(operations, ids, answers):
            if get(item, "ResultStatus") != 0:
                raise Refused(get(item, "ResultReason"), get(item, "ResultMessage"))
            expected = ["Operation"] + ["UniqueBatchItemID"] * bool(self.item_ids) + ["ResultStatus", "ResponsePayload"]
            assert [name for name, _ in item] == expected, item
            assert get(item, "Operation") == OPERATIONS[operation]
            assert not self.item_ids or get(item, "UniqueBatchItemID") == number, "another item's answer"
            payloads.append(get(item, "ResponsePayload"))
        assert len(answers) == len(operations), "fewer answers than questions, and none refused"
        return payloads

    def _exactly(self, size):
        read = b""
        while len(read) < size:
            more = self.stream.recv(size - len(read))
            assert more, "the server closed the connection"
            read += more
        return read


def version_field(version):
    return field("ProtocolVersion", [field("ProtocolVersionMajor", version[0]), field("ProtocolVersionMinor", version[1])])


def refused(reason, call, *arguments):
    """The call must fail with this reason."""
    try:
        call(*arguments)
    except Refused as refusal:
        assert refusal.reason == reason, refusal
        return
    raise AssertionError("not refused")
