"""MongoDB with fields encrypted under keys of keyraft: written, found as ciphertext, read back through every node,
keys rotated under a running application, and the cost of all that beside a key in the process.

Environment: what `. .keyraft/env` sets; MONGODB_URI for a real MongoDB, else a stub in this process."""
import argparse
import json
import os
import sys
import time
import traceback
import uuid

from bson import Binary
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import EncryptionError, PyMongoError

import figures
from administration import Administration
from application import CODEC_OPTIONS, DATA_KEY, ENCRYPTED, LOOKUP_KEY, Customers, customer
from keyservice import Kmip, Local, automatic_decryption, encryption
from stub import Stub

DOCUMENTS = 200
# The name under which the tenant keeps its own root, in mode customer.
CUSTOMER_ROOT = "example"
# Which key that is: of `keyraft dev --root software`, unless ROOT_CONFIG and ROOT_CREDENTIALS say otherwise (JSON).
DEV_ROOT = '{"provider": "software", "key": "customer"}'
# An application that runs through the rotation keeps data keys this long (the driver's default is a minute).
KEY_CACHE_MS = 1_000
# BSON binary subtype of encrypted fields; bytes 1 to 16 of such a value are the data key's UUID.
ENCRYPTED_SUBTYPE = 6
# All that may lie in the database as it is.
CLEAR = {"_id", "country"}


class Demo:
    """One database of its own name, dropped at the end."""

    def __init__(self, uri, delegated):
        self.uri, self.delegated = uri, delegated
        self.name = "keyraft_example_" + uuid.uuid4().hex[:12]
        self.vault = self.name + ".__keyVault"
        self.plain = MongoClient(uri)[self.name]
        self.open, self.reached = [], False

    def kmip(self, **settings):
        return Kmip(delegated=self.delegated, **settings)

    def application(self, keys, vault=None, collection="customers", key_expiration_ms=None):
        """The application as it starts: nothing cached, nothing but its settings."""
        vault = vault or self.vault
        client = MongoClient(self.uri, auto_encryption_opts=automatic_decryption(keys, vault, key_expiration_ms))
        crypt = encryption(keys, vault, self.plain.client, CODEC_OPTIONS, key_expiration_ms)
        self.open += [crypt, client]
        return Customers(client[self.name][collection], crypt), crypt

    def close(self):
        for name in ("customers", "customers_local", "__keyVault", "__keyVaultLocal") * self.reached:
            self.plain.drop_collection(name)
        for one in reversed(self.open):
            one.close()
        self.plain.client.close()

    def connect(self):
        """From nothing to the first data keys under a master key of keyraft."""
        began = time.perf_counter()
        self.plain.command("ping")
        self.reached = True
        # MongoDB's own advice: no two data keys of one name.
        self.plain["__keyVault"].create_index(
            "keyAltNames", unique=True, partialFilterExpression={"keyAltNames": {"$exists": True}})
        keys = self.kmip()
        self.customers, self.crypt = self.application(keys)
        self.data_key = self.crypt.create_data_key(keys.provider, keys.master_key, [DATA_KEY])
        self.connect_seconds = time.perf_counter() - began
        self.lookup_key = self.crypt.create_data_key(keys.provider, keys.master_key, [LOOKUP_KEY])
        wrapped = self.crypt.get_key(self.data_key)
        print("     master key %s, data key %d bytes wrapped" % (wrapped["masterKey"]["keyId"], len(wrapped["keyMaterial"])))

    def write(self):
        for number in range(1, DOCUMENTS + 1):
            self.customers.write(customer(number))

    def at_rest(self):
        """What the database holds, read by a client without keys."""
        stored = list(self.plain.get_collection("customers", CodecOptions(RawBSONDocument)).find())
        assert len(stored) == DOCUMENTS, "%d documents" % len(stored)
        for document in stored:
            clear = customer(document["_id"])
            for field in clear.keys() - CLEAR:
                value = document[field]
                assert isinstance(value, Binary) and value.subtype == ENCRYPTED_SUBTYPE, "%s is %r" % (field, value)
                for word in clear[field].values() if isinstance(clear[field], dict) else [clear[field]]:
                    assert word.encode() not in document.raw, "%s lies in clear" % field
            assert all(document[field] == clear[field] for field in CLEAR)
        print("     %d documents, every field but %s is Binary subtype %d" % (len(stored), " and ".join(sorted(CLEAR)), ENCRYPTED_SUBTYPE))

    def read(self):
        """Other processes: each begins without keys and asks another node."""
        for port in os.environ["KMIP_PORTS"].split(","):
            keys = self.kmip(port=port)
            customers, _ = self.application(keys)
            with keys.meter.operation():
                assert customers.read(1) == customer(1)
            assert keys.meter.connections > 0, "the key came from nowhere"
            assert all(customers.read(number) == customer(number) for number in range(2, DOCUMENTS + 1))
            assert customers.with_email(customer(7)["email"]) == [customer(7)]
            print("     node at port %s: first read %.1f ms with the key, %d documents equal"
                  % (port, 1e3 * keys.meter.waits[0], DOCUMENTS))

    def stranger(self):
        """Another tenant, with the whole database in its hands."""
        stranger, _ = self.application(self.kmip(cert="KMIP_CERT2", key="KMIP_KEY2"))
        try:
            stranger.read(1)
        except EncryptionError as refusal:
            print("     refused: %s" % str(refusal).partition("Result Reason")[2].strip())
            return
        raise AssertionError("another tenant read the document")

    def rotate(self):
        """New master keys, then a new data key, while an application runs that nobody restarts."""
        running, _ = self.application(self.kmip(), key_expiration_ms=KEY_CACHE_MS)
        running.write(customer(DOCUMENTS + 1))
        keys = self.kmip()
        before = {key: self.crypt.get_key(key)["masterKey"]["keyId"] for key in (self.data_key, self.lookup_key)}
        began = time.perf_counter()
        self.crypt.rewrap_many_data_key({}, keys.provider, keys.master_key)
        took = time.perf_counter() - began
        for key, old in before.items():
            assert self.crypt.get_key(key)["masterKey"]["keyId"] != old, "the master key is the old one"
        print("     %d data keys under new master keys in %.0f ms" % (len(before), 1e3 * took))

        new = self.crypt.create_data_key(keys.provider, keys.master_key)
        self.crypt.remove_key_alt_name(self.data_key, DATA_KEY)
        self.crypt.add_key_alt_name(new, DATA_KEY)
        number = DOCUMENTS + 1
        deadline = time.monotonic() + 10 * KEY_CACHE_MS / 1e3
        while True:
            number += 1
            running.write(customer(number))
            value = self.plain["customers"].find_one({"_id": number})["name"]
            if value[1:17] == bytes(new):
                break
            assert value[1:17] == bytes(self.data_key) and time.monotonic() < deadline, "neither key, or never the new"
            time.sleep(KEY_CACHE_MS / 1e4)
        print("     the running application wrote %d documents under the old data key, then the new one"
              % (number - DOCUMENTS - 1))
        fresh, _ = self.application(self.kmip())
        for reader in (running, fresh):
            assert all(reader.read(one) == customer(one) for one in range(1, number + 1)), "a document was lost"
            assert reader.with_email(customer(7)["email"]) == [customer(7)], "look-up by an encrypted field"
        print("     %d documents from before and after read back, look-ups by encrypted e-mail too" % number)

    def migrate(self):
        """The tenant's keys move to a root of its own, while an application runs; then data keys are wrapped under
        master keys that the platform's root never saw."""
        running, _ = self.application(self.kmip(), key_expiration_ms=KEY_CACHE_MS)
        administration, keys = Administration(), self.kmip()
        assert running.read(1) == customer(1)
        root = administration.bring_root(CUSTOMER_ROOT, json.loads(os.environ.get("ROOT_CONFIG", DEV_ROOT)),
                                         json.loads(os.environ.get("ROOT_CREDENTIALS", "null")))
        print("     root %s: %s" % (root["name"], root["key"]))
        began = time.perf_counter()
        job = administration.switch(CUSTOMER_ROOT)
        print("     moved in %.0f ms; proved by %d nodes" % (1e3 * (time.perf_counter() - began), len(job["proved_by"])))
        for version in administration.versions():
            assert version["roots"] == [root["key"]], "a wrap by another root is left: %s" % version
        assert running.read(2) == customer(2), "the running application reads on"

        # Until now the master keys are those of before the move; the application's own use of them shows.
        fresh, _ = self.application(self.kmip())
        assert fresh.read(3) == customer(3) and fresh.with_email(customer(7)["email"]) == [customer(7)]
        before, now = administration.older_in_use()
        assert before, "nobody used a master key of before the move"
        print("     identifiers of older versions in use: %d" % len(before))
        self.crypt.rewrap_many_data_key({}, keys.provider, keys.master_key)
        # Whoever still holds an unwrapped data key keeps it for the time of its cache.
        time.sleep(KEY_CACHE_MS / 1e3)
        _, now = administration.older_in_use()
        time.sleep(1.1)  # the nodes tell whole seconds
        fresh, _ = self.application(self.kmip())
        for reader in (running, fresh):
            assert all(reader.read(one) == customer(one) for one in range(1, DOCUMENTS + 1)), "a document was lost"
            assert reader.with_email(customer(7)["email"]) == [customer(7)], "look-up by an encrypted field"
        after, _ = administration.older_in_use(since=now + 1)
        assert not after, "still in use: %s" % ", ".join(sorted(after))
        print("     identifiers of older versions in use: 0")

    def return_to_platform(self):
        """For the next run: the tenant as it was. Keys of both roots go on."""
        administration = Administration()
        administration.switch("platform")
        administration.remove(CUSTOMER_ROOT)
        fresh, _ = self.application(self.kmip())
        assert fresh.read(1) == customer(1)

    def measure(self):
        keys, local = self.kmip(), Local()
        vault = self.name + ".__keyVaultLocal"
        self.plain.drop_collection("customers")
        there, crypt = self.application(keys)
        here, local_crypt = self.application(local, vault, "customers_local")
        for name in (DATA_KEY, LOOKUP_KEY):
            local_crypt.create_data_key(local.provider, local.master_key, [name])
        share = figures.beside(figures.Side(there, keys), figures.Side(here, local), customer)
        stored = list(self.plain["customers"].find().limit(figures.DECRYPTED))
        figures.decryption(crypt, stored[:1], ENCRYPTED)
        fetched = keys.meter.connections
        took = figures.decryption(crypt, stored, ENCRYPTED)
        assert keys.meter.connections == fetched, "keys were fetched while decryption was measured"
        figures.bound("connect: from nothing to the first data key", self.connect_seconds, figures.CONNECT_SECONDS_MAX, "s")
        figures.bound("decrypt a document's %d fields, key retrieved: p50" % len(ENCRYPTED),
                      figures.percentile(took, 0.5), figures.DECRYPT_P95_MS_MAX, "ms")
        figures.bound("the same: p95", figures.percentile(took, 0.95), figures.DECRYPT_P95_MS_MAX, "ms")
        figures.bound("share of write and read time spent on the key service", 100 * share, 100 * figures.KEY_SHARE_MAX, "%")


STEPS = [
    ("connect", Demo.connect), ("write", Demo.write), ("ciphertext at rest", Demo.at_rest),
    ("read through every node", Demo.read), ("another tenant", Demo.stranger),
    ("rotate under a running application", Demo.rotate), ("figures", Demo.measure),
]

# Mode customer: a key store of its own comes in between.
CUSTOMER_STEPS = [("move to a root of the tenant's own", Demo.migrate), ("back to the platform's root", Demo.return_to_platform)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--mode", choices=["plain", "delegated", "customer"], default="plain",
                        help="plain: the driver fetches the master key and wraps data keys itself; "
                             "delegated: keyraft wraps them, the master key never leaves it; customer: as delegated, "
                             "and the tenant moves to a root of its own while the application runs")
    parser.add_argument("--no-figures", action="store_true",
                        help="measure nothing: for a machine that is busy with other things")
    arguments = parser.parse_args()
    mode, steps = arguments.mode, STEPS[:-1] if arguments.no_figures else STEPS
    if mode == "customer":
        steps = STEPS[:5] + CUSTOMER_STEPS + steps[5:]
    missing = [name for name in ("KMIP_HOST", "KMIP_PORT", "KMIP_PORTS", "KMIP_CA", "KMIP_CERT", "KMIP_KEY", "KMIP_CERT2",
                                 "KMIP_KEY2") + ("KEYRAFT_CACERT", "KEYRAFT_TOKEN", "KEYRAFT_ADDRS") * (mode == "customer") if name not in os.environ]
    if missing:
        sys.exit("the environment lacks %s: start a cluster (make run), then run this through ./run" % ", ".join(missing))
    uri = os.environ.get("MONGODB_URI")
    stub = None if uri else Stub()
    if uri:
        try:
            database = "MongoDB " + MongoClient(uri).server_info()["version"]
        except PyMongoError as failure:
            sys.exit("FAIL the database at MONGODB_URI: %s" % failure)
    else:
        database = "A STUB in this process, not MongoDB; set MONGODB_URI for a real one"
    print("database: %s" % database)
    print("keys: keyraft at %s, ports %s, mode %s" % (os.environ["KMIP_HOST"], os.environ["KMIP_PORTS"], mode))
    demo = Demo(uri or stub.uri, mode != "plain")
    try:
        for name, step in steps:
            began = time.perf_counter()
            try:
                step(demo)
            except (AssertionError, PyMongoError) as failure:
                where = traceback.extract_tb(failure.__traceback__)[1]
                sys.exit("FAIL %s: %s (line %d: %s)" % (name, failure or "does not hold", where.lineno, where.line))
            print("ok   %s (%.0f ms)" % (name, 1e3 * (time.perf_counter() - began)), flush=True)
    finally:
        demo.close()
        if stub:
            stub.close()
    print("PASS mode %s, database %s" % (mode, database if uri else "stub"))


if __name__ == "__main__":
    main()
