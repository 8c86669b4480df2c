"""A stand-in for MongoDB on loopback, for machines that have none: enough of its wire protocol (OP_MSG) for one
driver, a key vault and the commands of this example. Documents live in memory and are gone with the process.

It is no database: no disk, no authentication, no transactions. Commands and operators it does not know it refuses by
name (codes 59 and 2, as MongoDB does). What it stores it stores as it came: the ciphertext found here is the
ciphertext a real server would have been sent."""
import datetime
import itertools
import socket
import struct
import threading

import bson
from bson import Int64, ObjectId

OP_MSG = 2013
# A driver refuses servers older than it knows; 21 is what MongoDB 7.0 answers.
WIRE_VERSION = 21
# What MongoDB itself takes.
MESSAGE_BYTES_MAX = 48_000_000
# MongoDB's first batch when a client names no size.
FIRST_BATCH = 101


class Refused(Exception):
    """An answer `ok: 0` with MongoDB's code for it."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Stub:
    """Listens on a free port of loopback until closed; `uri` is what a driver connects to."""

    def __init__(self):
        self._store, self._lock = Store(), threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = "mongodb://127.0.0.1:%d/?directConnection=true" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                while message := receive(connection):
                    request, command, wants_answer = message
                    answer = self._answer(command)
                    if wants_answer:
                        connection.sendall(encode(request, answer))
            except (OSError, EOFError):
                return  # the client left

    def _answer(self, command):
        try:
            with self._lock:
                return {**self._store.run(command), "ok": 1.0}
        except Refused as refusal:
            return {"ok": 0.0, "errmsg": str(refusal), "code": refusal.code, "codeName": "StubRefused"}


def receive(connection):
    """One OP_MSG: its request id, the command as one document, whether an answer is due. `None` at the end."""
    header = exactly(connection, 16, at_end=None)
    if header is None:
        return None
    length, request, _, opcode = struct.unpack("<iiii", header)
    if opcode != OP_MSG or not 21 <= length <= MESSAGE_BYTES_MAX:
        raise EOFError("opcode %d, %d bytes: this stub speaks OP_MSG alone" % (opcode, length))
    body = exactly(connection, length - 16)
    flags, = struct.unpack_from("<I", body)
    command, at = {}, 4
    while at < len(body):
        kind, size = body[at], struct.unpack_from("<i", body, at + 1)[0]
        section, at = body[at + 1:at + 1 + size], at + 1 + size
        if kind == 0:
            command = {**bson.decode(section), **command}
        else:  # a document sequence: its size, its name, its documents
            name, _, documents = section[4:].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
    # The command's name comes first in the first section, whatever sections follow.
    return request, command, not flags & 2


def encode(request, answer):
    body = struct.pack("<IB", 0, 0) + bson.encode(answer)
    return struct.pack("<iiii", 16 + len(body), 0, request, OP_MSG) + body


def exactly(connection, size, at_end=EOFError("the client left in the middle of a message")):
    read = bytearray()
    while len(read) < size:
        more = connection.recv(size - len(read))
        if not more:
            if read or at_end is not None:
                raise EOFError("the client left in the middle of a message")
            return None
        read += more
    return bytes(read)


class Store:
    """Collections of documents, the cursors open on them, and the commands."""

    def __init__(self):
        self._documents, self._unique, self._cursors, self._ids = {}, {}, {}, itertools.count(1)

    def run(self, command):
        name = next(iter(command), "")
        known = getattr(self, "do_" + name.lower(), None)
        if known is None:
            raise Refused(59, "the stub does not know the command %r" % name)
        return known(command, "%s.%s" % (command.get("$db"), command[name]))

    def do_hello(self, command, _):
        now = datetime.datetime.now(datetime.timezone.utc)
        return {"isWritablePrimary": True, "helloOk": True, "maxBsonObjectSize": 16 * 1024 * 1024, "localTime": now,
                "maxMessageSizeBytes": MESSAGE_BYTES_MAX, "maxWriteBatchSize": 100_000, "minWireVersion": 0,
                "maxWireVersion": WIRE_VERSION, "logicalSessionTimeoutMinutes": 30, "readOnly": False,
                "msg": "keyraft example stub, not MongoDB"}

    do_ismaster = do_hello

    def do_ping(self, command, _):
        return {}

    do_endsessions = do_ping

    def do_insert(self, command, name):
        for document in command["documents"]:
            document.setdefault("_id", ObjectId())
            if any(there["_id"] == document["_id"] for there in self._with_id(name, document["_id"])):
                raise Refused(11000, "duplicate key: _id %r in %s" % (document["_id"], name))
            self._check_unique(name, document)
            self._documents.setdefault(name, {})[key(document["_id"])] = document
        return {"n": len(command["documents"])}

    def do_find(self, command, name):
        if command.keys() & {"sort", "skip", "projection", "collation", "hint"}:
            raise Refused(2, "the stub's find knows filter, limit and batchSize alone")
        found = self._matching(name, command.get("filter", {}))
        if command.get("limit"):
            found = found[:abs(command["limit"])]
        size = command.get("batchSize", FIRST_BATCH)
        batch, rest = found[:size], [] if command.get("singleBatch") else found[size:]
        number = Int64(next(self._ids) if rest else 0)
        if rest:
            self._cursors[number] = rest
        return {"cursor": {"firstBatch": batch, "id": number, "ns": name}}

    def do_getmore(self, command, _):
        number = command["getMore"]
        if number not in self._cursors:
            raise Refused(43, "cursor %d does not exist" % number)
        rest = self._cursors.pop(number)
        size = command.get("batchSize") or len(rest)
        if rest[size:]:
            self._cursors[number] = rest[size:]
        name = "%s.%s" % (command["$db"], command["collection"])
        return {"cursor": {"nextBatch": rest[:size], "id": Int64(number if rest[size:] else 0), "ns": name}}

    def do_killcursors(self, command, _):
        for number in command["cursors"]:
            self._cursors.pop(number, None)
        return {"cursorsKilled": command["cursors"]}

    def do_update(self, command, name):
        matched = 0
        for update in command["updates"]:
            found = self._matching(name, update["q"])
            if not found and update.get("upsert"):
                raise Refused(2, "the stub does not upsert")
            for document in found if update.get("multi") else found[:1]:
                self._change(name, document, update["u"])
                matched += 1
        return {"n": matched, "nModified": matched}

    def do_findandmodify(self, command, name):
        found = self._matching(name, command["query"])[:1]
        before = dict(found[0]) if found else None
        if found:
            self._change(name, found[0], command["update"])
        return {"value": found[0] if found and command.get("new") else before}

    def do_delete(self, command, name):
        count = 0
        for delete in command["deletes"]:
            found = self._matching(name, delete["q"])
            for document in found[:1] if delete["limit"] else found:
                del self._documents[name][key(document["_id"])]
                count += 1
        return {"n": count}

    def do_createindexes(self, command, name):
        fields = [field for index in command["indexes"] if index.get("unique") for field in index["key"]]
        self._unique.setdefault(name, set()).update(fields)
        return {}

    def do_listcollections(self, command, _):
        prefix = command["$db"] + "."
        names = [name[len(prefix):] for name in self._documents if name.startswith(prefix)]
        listed = [{"name": name, "type": "collection", "options": {}, "info": {"readOnly": False}} for name in names]
        listed = [entry for entry in listed if matches(entry, command.get("filter", {}))]
        return {"cursor": {"firstBatch": listed, "id": Int64(0), "ns": prefix + "$cmd.listCollections"}}

    def do_drop(self, command, name):
        self._documents.pop(name, None)
        self._unique.pop(name, None)
        return {}

    def _with_id(self, name, identifier):
        document = self._documents.get(name, {}).get(key(identifier))
        return [document] if document else []

    def _matching(self, name, wanted):
        identifier = wanted.get("_id")
        by_id = identifier is not None and not isinstance(identifier, dict)
        documents = self._with_id(name, identifier) if by_id else self._documents.get(name, {}).values()
        return [document for document in documents if matches(document, wanted)]

    def _check_unique(self, name, document):
        for field in self._unique.get(name, ()):
            for value in values(document.get(field)):
                others = self._matching(name, {field: value}) if value is not None else []
                if any(other["_id"] != document["_id"] for other in others):
                    raise Refused(11000, "duplicate key: %s %r in %s" % (field, value, name))

    def _change(self, name, document, update):
        after = changed(document, update)
        self._check_unique(name, after)
        document.clear()
        document.update(after)


def key(identifier):
    """Identifiers of any type as something a dictionary takes."""
    return bson.encode({"": identifier})


def values(value):
    return value if isinstance(value, list) else [value]


def matches(document, wanted):
    """Whether a document is what a filter asks for."""
    for field, value in wanted.items():
        if field in ("$or", "$and"):
            if not (any if field == "$or" else all)(matches(document, one) for one in value):
                return False
        elif field.startswith("$"):
            raise Refused(2, "the stub's filters do not know %s" % field)
        elif not fits(document.get(field), value):
            return False
    return True


def fits(there, value):
    if not (isinstance(value, dict) and any(name.startswith("$") for name in value)):
        return there == value or value in values(there)
    for operator, operand in value.items():
        if operator == "$in":
            good = any(one in operand for one in values(there))
        elif operator == "$exists":
            good = (there is not None) == bool(operand)
        else:
            raise Refused(2, "the stub's filters do not know %s" % operator)
        if not good:
            return False
    return True


def changed(document, update):
    """The document after an update; a pipeline is one or more `$set` stages."""
    after = dict(document)
    stages = update if isinstance(update, list) else [update]
    for operator, fields in ((operator, fields) for stage in stages for operator, fields in stage.items()):
        for field, value in fields.items():
            if operator == "$set":
                value = expression(document, value) if isinstance(update, list) else value
                after.pop(field, None) if value is REMOVE else after.update({field: value})
            elif operator == "$addToSet":
                after[field] = after.get(field, []) + [value] * (value not in after.get(field, []))
            elif operator == "$currentDate":
                after[field] = datetime.datetime.now(datetime.timezone.utc)
            else:
                raise Refused(2, "the stub's updates do not know %s" % operator)
    return after


REMOVE = object()


def expression(document, value):
    """The value of an aggregation expression: as much of them as drivers send to a key vault."""
    if isinstance(value, str) and value.startswith("$"):
        return REMOVE if value == "$$REMOVE" else document.get(value[1:])
    if not isinstance(value, dict):
        return value
    (operator, operand), = value.items()
    if operator == "$cond":
        test, then, otherwise = operand
        return expression(document, then if expression(document, test) else otherwise)
    if operator in ("$eq", "$ne"):
        left, right = (expression(document, one) for one in operand)
        return (left == right) == (operator == "$eq")
    if operator == "$filter":
        kept = expression(document, operand["input"]) or []
        return [one for one in kept if expression({**document, "$this": one}, operand["cond"])]
    raise Refused(2, "the stub's expressions do not know %s" % operator)
