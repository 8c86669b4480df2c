"""Reads messages with PyKMIP and writes them again: one `request HEX` or `response HEX` a line in, `HEX` or
`error TEXT` a line out. Values go through PyKMIP's own objects in between, so what it would not understand,
or would write differently, shows."""
import logging
import sys

from kmip.core import enums, primitives, utils
from kmip.core.messages import messages

logging.disable(logging.CRITICAL)

# A text whose length is a multiple of eight it reads well and would write with eight bytes of padding.
_read_text = primitives.TextString.read_value


def _read_text_value(self, *arguments, **named):
    _read_text(self, *arguments, **named)
    self.padding_length %= self.PADDING_SIZE


primitives.TextString.read_value = _read_text_value


def again(kind, data):
    message = messages.RequestMessage() if kind == "request" else messages.ResponseMessage()
    message.read(utils.BytearrayStream(data))
    header = message.request_header if kind == "request" else message.response_header
    version = header.protocol_version
    version = next(v for v in enums.KMIPVersion if v.value == version.major + version.minor / 10)
    out = utils.BytearrayStream()
    message.write(out, kmip_version=version)
    return out.buffer.hex()


for line in sys.stdin:
    kind, data = line.split()
    try:
        answer = again(kind, bytes.fromhex(data))
    except Exception as error:  # whatever it is, it is a finding
        answer = "error %s: %s" % (type(error).__name__, " ".join(str(error).split()))
    print(answer, flush=True)
