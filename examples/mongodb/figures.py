"""The figures: how long the first connection takes, what decryption costs once the key is there, and how much of
writing and reading is waiting for keys. Each has a bound; a figure beyond it fails the run."""
import time

CONNECT_SECONDS_MAX = 30.0
DECRYPT_P95_MS_MAX = 20.0
KEY_SHARE_MAX = 0.05

# How long keyraft's side works. It begins without a key and the driver keeps a key for a minute, so a quarter of that
# minute spends four times the share of its time on keys that steady work does. Documents go through the key service
# and through the local key in turn, so that whatever else the machine does befalls both.
SECONDS = 15.0
# For decryption alone: enough for a percentile.
DECRYPTED = 1_000


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


class Side:
    """One of the two: an application with its keys, and the seconds each document took, written and read."""

    def __init__(self, customers, keys):
        self.customers, self.keys, self.took, self.seconds = customers, keys, [], 0.0

    def document(self, document):
        began = time.perf_counter()
        with self.keys.meter.operation():
            self.customers.write(document)
        with self.keys.meter.operation():
            read = self.customers.read(document["_id"])
        self.took.append(time.perf_counter() - began)
        self.seconds += self.took[-1]
        assert read == document


def beside(kmip, local, customer):
    """Writes and reads the same through both, each beginning without a key. The part of the time that keyraft took."""
    number = 0
    while kmip.seconds < SECONDS:
        number += 1
        for side in (kmip, local) if number % 2 else (local, kmip):
            side.document(customer(number))
    waits = kmip.keys.meter.waits
    assert waits, "no key was ever fetched: nothing was measured"
    for name, side in (("keyraft", kmip), ("local key", local)):
        print("     %-9s %d documents written and read in %.3f s; each p50 %.2f ms, p95 %.2f ms" % (
            name, number, side.seconds, 1e3 * percentile(side.took, 0.5), 1e3 * percentile(side.took, 0.95)))
    print("     %d operations of keyraft's side waited for keys: %d requests, %.1f ms, the driver's own work included"
          % (len(waits), kmip.keys.meter.connections, 1e3 * sum(waits)))
    return sum(waits) / kmip.seconds


def decryption(encryption, documents, encrypted):
    """Milliseconds to decrypt all fields of a document, with the keys already there."""
    took = []
    for document in documents:
        began = time.perf_counter()
        for field in encrypted:
            encryption.decrypt(document[field])
        took.append(1e3 * (time.perf_counter() - began))
    return took


def bound(what, figure, most, unit):
    """Prints a figure beside its bound and insists on it."""
    print("     %-58s %9.2f %-2s  bound %g %s" % (what, figure, unit, most, unit))
    assert figure < most, "%s: %.2f %s, bound %g" % (what, figure, unit, most)
