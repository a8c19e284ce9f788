#!/usr/bin/env python3
"""No acknowledgement leaves the server before the sync of what it acknowledges.

    cargo build -p wellspring-cli
    tests/faults/sync_order.py --commits 2000

Runs the server under strace, writes to it over real sockets, from one client and then from many, and
reads the trace: each answer that tells a sequence must begin to be written to its client's socket
after an `fdatasync` of the log has returned, which began after the write of the group that holds that
sequence had returned. What reads the trace is checked too: with traces in which that is not so.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from server import ROOT, Server, skip

DOCUMENT = json.dumps({"topic": "tea " * 2_000})
TRACED = "write,writev,sendto,sendmsg,pwrite64,pwritev,fdatasync,fsync"
SEG, OTHER = (
    "".join(f"\\x{byte:02x}" for byte in name) + ">" for name in (b".seg", b".oth")
)
GROUP = bytes.fromhex("f847fffe")
SEGMENT = re.compile(r"<([^<>]*\.seg(?:\.tmp)?)>")
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
HEXADECIMAL = re.compile(r"\\x([0-9a-f]{2})")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
ANSWER = re.compile(rb'^HTTP/1\.1 2.*"seq":(\d+)', re.DOTALL)


@dataclasses.dataclass
class Call:
    """A call of the system: the lines of the trace where it began and where it returned."""

    name: str
    began: int
    returned: int
    arguments: str
    result: str

    def bytes(self):
        strings = STRING.findall(self.arguments)
        return b"".join(bytes.fromhex(text.replace("\\x", "")) for text in strings)

    def segment(self):
        """The segment of the log that it is about, if so; names stand in hexadecimal, too."""
        file = HEXADECIMAL.sub(lambda byte: chr(int(byte[1], 16)), self.arguments.split(",")[0])
        found = SEGMENT.search(file)
        return found and found[1]


def calls(lines):
    unfinished = {}
    for number, line in enumerate(lines):
        if found := CALL.match(line):
            thread, name, rest = found.groups()
            if rest.endswith("<unfinished ...>"):
                unfinished[thread] = (name, number, rest.removesuffix("<unfinished ...>"))
                continue
            began = number
        elif found := RESUMED.match(line):
            thread, name, end = found.groups()
            began_as, began, rest = unfinished.pop(thread)
            assert began_as == name, line
            rest += end
        else:
            continue
        arguments, _, result = rest.rpartition(" = ")
        yield Call(name, began, number, arguments, result)


def read(lines):
    """The groups by their sequences, the syncs and the answers of a trace."""
    groups, syncs, answers = [], [], []
    for call in calls(lines):
        if call.name in ("fdatasync", "fsync"):
            syncs.append(call)
        elif call.segment():
            header = call.bytes()[:28]
            if header.startswith(GROUP):
                first = int.from_bytes(header[8:16], "little")
                groups.append((first, first + int.from_bytes(header[16:20], "little"), call))
        elif answer := ANSWER.match(call.bytes()):
            answers.append((int(answer[1]), call))
    return groups, syncs, answers


def faults(lines):
    """What is wrong in a trace, and how many answers there are."""
    groups, syncs, answers = read(lines)
    found = []
    for sequence, answer in answers:
        holding = [call for first, end, call in groups if first <= sequence < end]
        if not holding:
            found.append(f"{sequence} was acknowledged, and no group holds it")
            continue
        group = holding[0]
        if not any(
            sync.began > group.returned
            and sync.returned < answer.began
            and sync.segment() == group.segment()
            and sync.result.split()[0] == "0"
            for sync in syncs
        ):
            found.append(f"{sequence} was acknowledged before the sync of its group")
    return found, len(answers)


def moved(lines, call, behind):
    """The trace with a call behind another one, or without it."""
    mine = sorted({call.began, call.returned})
    trace = []
    for number, line in enumerate(lines):
        trace += [] if number in mine else [line]
        if behind and number == behind.returned:
            trace += [lines[number] for number in mine]
    return trace


def check_the_reader(lines):
    """Each of these traces must be found to be wrong."""
    groups, syncs, answers = read(lines)
    for sequence, answer in reversed(answers):
        group = next(call for first, end, call in groups if first <= sequence < end)
        between = [s for s in syncs if s.began > group.returned and s.returned < answer.began]
        # Where there are more, a later one makes the group durable as well.
        if len(between) == 1:
            break
    else:
        sys.exit("no answer depends on a single sync")
    [sync] = between
    failed = list(lines)
    failed[sync.returned] = failed[sync.returned].replace("= 0", "= -1 EIO")
    elsewhere = list(lines)
    elsewhere[sync.began] = elsewhere[sync.began].replace(SEG, OTHER)
    doctored = {
        "without a sync": moved(lines, sync, None),
        "with the sync after the answer": moved(lines, sync, answer),
        "with a sync that failed": failed,
        "with the sync of another file": elsewhere,
        "with the group's write after its sync": moved(lines, group, sync),
    }
    for name, trace in doctored.items():
        found, _count = faults(trace)
        if not found:
            sys.exit(f"a trace {name} passes for a right one")
    return len(doctored)


def write(server, client, commits):
    connection = server.connect()
    for number in range(commits):
        path = f"/v1/documents/rooms/{client}-{number}"
        status, body = server.request("PUT", path, DOCUMENT, connection)
        assert status in (200, 201), (status, body)
        assert json.loads(body)["seq"], body
    connection.close()


def trace(binary, clients, commits):
    """The trace of a server that so many clients have made so many commits in."""
    with tempfile.TemporaryDirectory() as directory:
        output = pathlib.Path(directory) / "trace"
        # All strings in hexadecimal, and of files and sockets what they are.
        prefix = ["strace", "-D", "-f", "-xx", "-yy", "-s", "2048", "-e", f"trace={TRACED}"]
        prefix += ["-o", str(output), "--"]
        # The smallest segments, so that the log goes on in the next one now and then.
        settings = ["--segment-bytes", "1048576", "--reserve-bytes", "0"]
        data = pathlib.Path(directory) / "data"
        with Server(binary, data, *settings, prefix=prefix) as server:
            threads = [
                threading.Thread(target=write, args=(server, client, commits // clients))
                for client in range(clients)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return output.read_text().splitlines()


def can_trace():
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return tried.returncode == 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--commits", type=int, default=200)
    binary = ROOT / "target" / "debug" / "wellspring"
    arguments.add_argument("--binary", type=pathlib.Path, default=binary)
    arguments = arguments.parse_args()
    if not shutil.which("strace"):
        skip("sync_order", "there is no strace", "apt-get install strace")
    if not can_trace():
        skip("sync_order", "strace may not trace here")
    for clients in (1, 16):
        lines = trace(arguments.binary, clients, arguments.commits)
        found, answers = faults(lines)
        expected = arguments.commits // clients * clients
        if found or answers != expected:
            sys.exit(f"{answers} of {expected} answers in the trace; " + "; ".join(found[:5]))
        groups = len(read(lines)[0])
        doctored = check_the_reader(lines)
        print(
            f"{clients} clients: {answers} acknowledgements of {groups} groups, each after its "
            f"sync; {doctored} doctored traces found out",
            flush=True,
        )


if __name__ == "__main__":
    main()
