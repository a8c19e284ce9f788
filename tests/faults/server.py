"""What the scripts of this directory share: a server of their own, and how they are left out."""

import contextlib
import http.client
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Longest wait for something that happens at once when all is well.
PATIENCE_S = 60


def skip(name, why, install=None):
    """Ends a script that cannot run here. In CI what can be installed must be there."""
    print(f"skipped {name}: {why}" + (f"; {install}" if install else ""))
    sys.exit(1 if install and os.environ.get("CI") == "true" else 0)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """`wellspring serve` on free ports; `prefix` is a command that runs it."""

    def __init__(self, binary, data, *settings, prefix=()):
        self.port, admin = free_ports(2)
        command = [*prefix, str(binary), "serve", "--dev", "--data", str(data)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{admin}"]
        self.process = subprocess.Popen(
            command + list(settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                status, _body = self.request("GET", "/readyz")
                if status == 200:
                    return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the server does not serve: {self.process.stderr.read()}")
            time.sleep(0.02)

    def __exit__(self, *_failure):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def request(self, method, path, body=None, connection=None):
        """The status and the body of the answer."""
        mine = connection or self.connect()
        headers = {"Content-Type": "application/json"} if body else {}
        mine.request(method, path, body, headers)
        answer = mine.getresponse()
        text = answer.read().decode()
        if connection is None:
            mine.close()
        return answer.status, text
