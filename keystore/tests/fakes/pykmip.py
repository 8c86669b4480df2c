"""PyKMIP's server, a KMIP key manager nobody of this project wrote, as an external HSM.

Its keys are made through its own client as the greeting is written; the commands act through that client too:

    {"revoke": true}   the first key is deactivated, for good (KMIP has no way back)
    {"destroy": true}  and destroyed
    {"stop": true}     nobody listens any more
    {"start": true}    the same server again, with the same keys
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import socket

from fake import Authority

SERVER = """
import logging, sys
logging.disable(logging.CRITICAL)
from kmip.services.server import KmipServer
server = KmipServer(config_path=sys.argv[1], log_path=sys.argv[2])
with server:
    server.serve()
"""


class Server:
    def __init__(self):
        logging.disable(logging.CRITICAL)
        self.folder = tempfile.mkdtemp(prefix="keystore-fake-")
        self.authority = Authority(self.folder, ["localhost", "127.0.0.1"])
        self.clients = {name: self.authority.leaf(name, ["client.example"], 30) for name in ("keyraft", "stranger")}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        certificate, key = self.authority.files["good"]
        os.makedirs(self.folder + "/policies")
        self.config = self.folder + "/server.conf"
        with open(self.config, "w") as file:
            file.write(f"[server]\nhostname=127.0.0.1\nport={self.port}\ncertificate_path={certificate}\n"
                       f"key_path={key}\nca_path={self.authority.ca}\nauth_suite=TLS1.2\n"
                       f"policy_path={self.folder}/policies\nenable_tls_client_auth=True\n"
                       f"database_path={self.folder}/kmip.db\nlogging_level=CRITICAL\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, self.config, self.folder + "/server.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("PyKMIP's server does not listen")

    def stop(self):
        # With the process that watches its policies for it.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def client(self):
        from kmip.core.enums import KMIPVersion
        from kmip.pie.client import ProxyKmipClient
        certificate, key = self.clients["keyraft"]
        return ProxyKmipClient(hostname="127.0.0.1", port=self.port, cert=certificate, key=key,
                               ca=self.authority.ca, kmip_version=KMIPVersion.KMIP_1_4)

    def make(self, bits=256, masks=("ENCRYPT", "DECRYPT"), activate=True):
        from kmip.core import enums
        from kmip.pie.objects import SymmetricKey
        wanted = [enums.CryptographicUsageMask[name] for name in masks]
        # Registered, since its client's Create adds masks of its own.
        key = SymmetricKey(enums.CryptographicAlgorithm.AES, bits, os.urandom(bits // 8), masks=wanted)
        with self.client() as client:
            uid = client.register(key)
            if activate:
                client.activate(uid)
        return uid

    def greeting(self):
        def pem(path):
            with open(path) as file:
                return file.read()

        identities = {name: [pem(path) for path in files] for name, files in self.clients.items()}
        return {"port": self.port, "ca": self.authority.ca, "keys": [self.make(), self.make()],
                "short": self.make(128), "signer": self.make(masks=("SIGN",)), "idle": self.make(activate=False),
                "identities": identities}


def main():
    server = Server()
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        hello = server.greeting()
        print(json.dumps(hello), flush=True)
        for line in sys.stdin:
            words = json.loads(line)
            from kmip.core.enums import RevocationReasonCode
            if "revoke" in words:
                with server.client() as client:
                    client.revoke(RevocationReasonCode.CESSATION_OF_OPERATION, hello["keys"][0])
            elif "destroy" in words:
                with server.client() as client:
                    client.destroy(hello["keys"][0])
            elif "stop" in words:
                server.stop()
            elif "start" in words:
                server.start()
            print(json.dumps({}), flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
