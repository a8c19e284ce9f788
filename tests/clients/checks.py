"""What the Python scripts share: checks that print one line each, and commands that stream.

The runner (`xtask/src/clients/script.rs`) reads the lines `ok NAME`, `not ok NAME: WHY`, `done`.
"""

import json
import os
import queue
import subprocess
import threading
from contextlib import contextmanager

SERVER = os.environ["WELLSPRING_SERVER"]
ADDRESS = os.environ["WELLSPRING_ADDRESS"]

# Longest wait for something that happens at once when all is well.
PATIENCE_S = 20


@contextmanager
def check(name):
    """A check passes unless what is inside raises."""
    try:
        yield
        print(f"ok {name}", flush=True)
    except Exception as error:  # any failure of the client is a failed check, not a crash
        why = str(error) or type(error).__name__
        print(f"not ok {name}: {' '.join(why.split())}", flush=True)


def done():
    """The last word: whatever ends without it has failed."""
    print("done", flush=True)


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def run(*command, stdin=None):
    """Runs a command to its end: its exit status, standard output and standard error."""
    ended = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S
    )
    return ended.returncode, ended.stdout, ended.stderr


class Stream:
    """A command that goes on talking. Use it in a `with`; it is ended at its end."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self):
        """The next line; raises when there is none in time."""
        line = self.lines.get(timeout=PATIENCE_S)
        if line is None:
            raise AssertionError(f"the stream ended: {self.process.stderr.read()}")
        return line

    def object(self):
        """The next JSON object, over however many lines it is written."""
        text = self.line()
        while True:
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                text += "\n" + self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
