"""The application: customers in a collection, some fields encrypted. It names data keys and knows no key service;
rotation, another node, another way to keep the master key change nothing here."""
from bson.codec_options import CodecOptions
from pymongo.encryption import Algorithm

# Names of data keys in the key vault. Equal values under LOOKUP_KEY give equal ciphertext, so they can be searched;
# that key is re-wrapped when master keys rotate and never replaced. DATA_KEY may be replaced at any time.
DATA_KEY, LOOKUP_KEY = "customers", "customers-lookup"

# Which fields are encrypted, on every write, and how.
ENCRYPTED = {
    "email": (Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Deterministic, LOOKUP_KEY),
    "name": (Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, DATA_KEY),
    "credit_card": (Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, DATA_KEY),
    "address": (Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, DATA_KEY),
}
CODEC_OPTIONS = CodecOptions()


class Customers:
    """`collection` decrypts what it reads; `encryption` encrypts values."""

    def __init__(self, collection, encryption):
        self._collection, self._encryption = collection, encryption

    def write(self, customer):
        self._collection.insert_one({field: self._stored(field, value) for field, value in customer.items()})

    def read(self, number):
        return self._collection.find_one({"_id": number})

    def with_email(self, email):
        return list(self._collection.find({"email": self._stored("email", email)}))

    def _stored(self, field, value):
        if field not in ENCRYPTED:
            return value
        algorithm, key = ENCRYPTED[field]
        return self._encryption.encrypt(value, algorithm, key_alt_name=key)


def customer(number):
    """A customer nobody has."""
    return {"_id": number, "country": "DE", "email": "customer-%d@example.com" % number,
            "name": {"first": "Erika", "last": "Mustermann %d" % number},
            "credit_card": "4532-0000-%04d-%04d" % divmod(number, 10_000), "address": "Heidestrasse %d, Koeln" % number}
