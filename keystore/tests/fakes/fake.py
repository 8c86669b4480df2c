"""What the fakes have in common: a test authority, TLS, faults on demand, and a line for each word.

A fake is a program. It prints one JSON line when it listens ({"port", "ca", ...}), then reads commands
as JSON lines from its standard input and answers each with one line. The commands every fake knows:

    {"mode": "well" | "hang" | "half_open" | "garbage" | "cut" | "redirect" | "throttle" | "huge" | "error"}
    {"certificate": "good" | "expired" | "stranger" | "other_name"}
    {"delay_ms": 40}           every answer takes this much longer, as over a long road
    {"restart": true}          closes every connection and listens anew on the same port
    {"requests": true}         how many requests came in so far

Everything else is the fake's own (its method `command`). It ends when its input does.
"""

import datetime
import http.server
import ipaddress
import json
import os
import socket
import socketserver
import ssl
import sys
import tempfile
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A test authority and certificates of it, good and bad."""

    def __init__(self, folder, names):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed("test authority", self.key, [], 3650, True, self.key, None)
        self.ca = os.path.join(folder, "ca.pem")
        with open(self.ca, "wb") as file:
            file.write(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.files = {
            "good": self.leaf("good", names, 30),
            "expired": self.leaf("expired", names, -1),
            "other_name": self.leaf("other_name", ["elsewhere.example"], 30),
        }
        stranger = ec.generate_private_key(ec.SECP256R1())
        self.files["stranger"] = self.leaf("stranger", names, 30, stranger)

    def leaf(self, label, names, days, signer=None, client=False):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(label, key, names, days, False, signer or self.key, _name("test authority"))
        path = os.path.join(self.folder, label)
        with open(path + ".pem", "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
        with open(path + ".key", "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
        return path + ".pem", path + ".key"

    def _signed(self, label, key, names, days, is_ca, signer, issuer):
        now = datetime.datetime.now(datetime.timezone.utc)
        usages = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (x509.CertificateBuilder()
                   .subject_name(_name(label)).issuer_name(issuer or _name(label))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=400))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.BasicConstraints(is_ca, None), True))
        if names:
            entries = []
            for name in names:
                try:
                    entries.append(x509.IPAddress(ipaddress.ip_address(name)))
                except ValueError:
                    entries.append(x509.DNSName(name))
            builder = builder.add_extension(x509.SubjectAlternativeName(entries), False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        return builder.sign(signer, hashes.SHA256())


class Answer(Exception):
    """Raised to answer: a status, a JSON body, headers."""

    def __init__(self, status, body=None, headers=None):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # handshakes that tests make fail


class Fake:
    """Base of a fake: `respond(method, path, query, headers, body)` returns or raises an Answer."""

    names = ["localhost", "127.0.0.1"]

    def __init__(self):
        self.mode, self.chosen, self.count, self.delay_s = "well", "good", 0, 0
        self.lock = threading.RLock()
        self.folder = tempfile.mkdtemp(prefix="keystore-fake-")
        self.authority = Authority(self.folder, self.names)
        self.connections = set()
        self.server = None

    # -- what a fake says about its own -------------------------------------------------------------
    def greeting(self):
        return {}

    def command(self, words):
        return {"error": "unknown command"}

    def throttled(self):
        return Answer(429, {}, {"Retry-After": "7"})

    # -- serving --------------------------------------------------------------------------------------
    def listen(self, port=0):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120

            def setup(self):
                with fake.lock:
                    mode, files = fake.mode, fake.authority.files[fake.chosen]
                if mode == "half_open":
                    fake.connections.add(self.request)
                    threading.Event().wait(120)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*files)
                self.request = context.wrap_socket(self.request, server_side=True)
                fake.connections.add(self.request)
                super().setup()

            def finish(self):
                super().finish()
                fake.connections.discard(self.request)

            def log_message(self, *_):
                pass

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                with fake.lock:
                    fake.count += 1
                    mode, delay_s = fake.mode, fake.delay_s
                time.sleep(delay_s)
                if mode == "hang":
                    threading.Event().wait(120)
                if mode == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"data\"")
                    self.close_connection = True
                    return
                if mode == "garbage":
                    return self.reply(200, None, {}, b"\x00\xff<html>not what you asked for")
                if mode == "huge":
                    return self.reply(200, None, {}, b" " * (1 << 20))
                if mode == "redirect":
                    return self.reply(307, {}, {"Location": "https://169.254.169.254/latest/meta-data"})
                path, _, query = self.path.partition("?")
                try:
                    if mode == "throttle":
                        raise fake.throttled()
                    if mode == "error":
                        raise Answer(500, None)
                    with fake.lock:
                        answer = fake.respond(self.command, path, query, self.headers, body)
                except Answer as raised:
                    answer = raised
                except Exception as broken:  # the fake's own mistake must be seen
                    print(json.dumps({"broken": repr(broken)}), file=sys.stderr, flush=True)
                    answer = Answer(599, {"broken": repr(broken)})
                self.reply(answer.status, answer.body, answer.headers)

            def reply(self, status, body, headers, raw=None):
                data = raw if raw is not None else (b"" if body is None else
                                                    body if isinstance(body, bytes) else json.dumps(body).encode())
                self.send_response(status)
                if "Content-Type" not in headers:
                    self.send_header("Content-Type", "application/json")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = handle_any

        self.server = _Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self.server.server_address[1]

    def close_all(self):
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections.clear()

    def restart(self):
        port = self.server.server_address[1]
        self.server.shutdown()
        self.server.server_close()
        self.close_all()
        self.listen(port)

    def run(self):
        port = self.listen()
        print(json.dumps({"port": port, "ca": self.authority.ca, **self.greeting()}), flush=True)
        for line in sys.stdin:
            words = json.loads(line)
            answer = {}
            with self.lock:
                if "mode" in words:
                    self.mode = words["mode"]
                    self.close_all()
                elif "certificate" in words:
                    self.chosen = words["certificate"]
                    self.close_all()
                elif "delay_ms" in words:
                    self.delay_s = words["delay_ms"] / 1000
                elif "requests" in words:
                    answer = {"requests": self.count}
                elif "restart" not in words:
                    answer = self.command(words) or {}
            if "restart" in words:
                self.restart()
            print(json.dumps(answer), flush=True)


def client_environment(ca):
    """For drivers that speak through `requests`: trust the test authority and nothing else."""
    os.environ["REQUESTS_CA_BUNDLE"] = ca
    os.environ["SSL_CERT_FILE"] = ca
