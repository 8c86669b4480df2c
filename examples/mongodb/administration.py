"""What a tenant's administrator does while the application runs: brings a root of trust of the tenant's own, has the
tenant moved to it, and asks every node which identifiers of older keys are still in use. REST, nothing else."""
import json
import os
import ssl
import time
import urllib.error
import urllib.request

# A job gives a step up after a minute without progress.
JOB_SECONDS_MAX = 300


class Administration:
    def __init__(self, tenant="tenant-a"):
        env = os.environ
        self._tls = ssl.create_default_context(cafile=env["KEYRAFT_CACERT"])
        self._token, self._nodes = env["KEYRAFT_TOKEN"], env["KEYRAFT_ADDRS"].split(",")
        self._tenant = "/v1/tenants/" + tenant

    def bring_root(self, name, config, credentials):
        """Keeps a root that passes its test: which key, where, and what proves us there."""
        return self._ask("POST", "/roots", {"name": name, "config": config, "credentials": credentials})

    def switch(self, root):
        """Moves the tenant to a root and waits for the end of the job."""
        job = self._ask("POST", "/roots/%s:switch" % root, {})
        deadline = time.monotonic() + JOB_SECONDS_MAX
        while job["state"] == "running":
            assert time.monotonic() < deadline, "the job does not end: %s" % job
            time.sleep(0.1)
            job = self._ask("GET", "/jobs/" + job["id"])
        assert job["state"] == "succeeded", "%s: %s" % (job["state"], job["detail"])
        return job

    def remove(self, root):
        self._ask("POST", "/roots/%s:remove" % root, {})

    def versions(self):
        return self._ask("GET", "/versions")["items"]

    def older_in_use(self, since=0):
        """Identifiers of older versions that any node was asked for since then, and the cluster's time."""
        answers = [self._ask("GET", "/versions/older-in-use?since=%d" % since, node=node) for node in self._nodes]
        assert not any(answer["more"] for answer in answers), "more than the nodes remember"
        return {one["identifier"] for answer in answers for one in answer["items"]}, max(answer["now"] for answer in answers)

    def _ask(self, method, path, body=None, node=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": "Bearer " + self._token, "Content-Type": "application/json"}
        url = (node or self._nodes[0]) + self._tenant + path
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=70) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refusal:
            problem = json.loads(refusal.read())
            raise AssertionError("%s: %s" % (problem["title"], problem["detail"])) from None
        return json.loads(text) if text else None
