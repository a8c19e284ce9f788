#!/usr/bin/env python3
"""A group that a kill has left unsynced is made durable before anybody is served from it.

    cargo build --release -p wellspring-cli
    sudo tests/faults/unsynced_group.py --rounds 60

Each round: a server on a file system whose power can be cut is killed by strace as it enters the sync
of a group that it has written, so that the page cache alone holds that group. The server is started
again, and a subscriber reads the group from it. Then the power is cut, and the server started once
more: the group must still be there, and everything that was acknowledged. At last it is tried with
openings whose syncs strace only pretends to have done: then the loss must be found. Needs root, loop
devices and strace.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import sys
import tempfile

from power import Image
from server import PATIENCE_S, ROOT, Server

COLLECTION = "rooms"
# The smallest segments, so that the group is now and then the first of one.
SETTINGS = ["--segment-bytes", "1048576", "--reserve-bytes", "0"]
SYNCS_BEFORE_MAX = 40
LARGE_BYTES = 900_000
# After so many rounds a new database, so that reading one stays quick.
ROUNDS_A_DATABASE = 20
PRETENDED_ROUNDS = 5


def traced(*arguments):
    """A command that runs a server under strace, as the process that is waited for."""
    return ["strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", "/dev/null", *arguments, "--"]


def killed_at_sync(number):
    """Each thread's syncs are counted: the log's are the writer's."""
    calls = "fdatasync"
    return traced("-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={number}")


def pretending_to_sync():
    calls = "fdatasync,fsync"
    return traced("-e", f"trace={calls}", "-e", f"inject={calls}:retval=0")


def write_until_killed(server, names, generator):
    """The names that were acknowledged, and the one that was not."""
    acknowledged = []
    connection = server.connect()
    for name in names:
        large = generator.randrange(20) == 0
        size = generator.randrange(LARGE_BYTES if large else 500)
        document = json.dumps({"name": name, "padding": "x" * size})
        path = f"/v1/documents/{COLLECTION}/{name}"
        try:
            status, body = server.request("PUT", path, document, connection)
        except (OSError, http.client.HTTPException):
            server.process.wait(PATIENCE_S)
            return acknowledged, name
        assert status == 201, (status, body)
        acknowledged.append(name)
    sys.exit("the server was not killed")


def served(server):
    """The names in all changes from the beginning, as a subscriber is told them."""
    names, token = set(), None
    while True:
        start = f"after={token}" if token else "from=beginning"
        status, body = server.request("GET", f"/v1/changes/{COLLECTION}?{start}&wait=0s")
        assert status == 200, (status, body)
        page = json.loads(body)
        commits = [c for m in page["messages"] for c in m.get("commits", [])]
        names |= {change["path"].split("/")[1] for c in commits for change in c["changes"]}
        if page["token"] == token:
            return names
        token = page["token"]


def end(server):
    server.process.kill()
    server.process.wait(PATIENCE_S)


def one_round(image, binary, names, generator, opening):
    """What was acknowledged or served, and what is there after the power was cut."""
    data = image.mount_point / "data"
    image.mount()
    number = generator.randrange(1, SYNCS_BEFORE_MAX)
    with Server(binary, data, *SETTINGS, prefix=killed_at_sync(number)) as server:
        acknowledged, unsynced = write_until_killed(server, names, generator)
    with Server(binary, data, *SETTINGS, prefix=opening) as server:
        told = served(server)
        image.cut()
        end(server)
    if unsynced not in told:
        sys.exit(f"{unsynced} was written, and is not there after a kill")
    image.unmount()
    image.mount()
    with Server(binary, data, *SETTINGS) as server:
        found = served(server)
        end(server)
    image.unmount()
    return told.union(acknowledged), found


def rounds(arguments, image, count, opening):
    """How many rounds lost something."""
    generator = random.Random(arguments.seed)
    lost = 0
    for number in range(count):
        # What has lost something is no good for another round.
        if number % ROUNDS_A_DATABASE == 0 or opening:
            image.make()
            known = set()
        names = (f"{number}-{name}" for name in range(2 * SYNCS_BEFORE_MAX))
        told, found = one_round(image, arguments.binary, names, generator, opening)
        known |= told
        missing = known - found
        lost += bool(missing)
        print(f"round {number + 1}: {len(known)} known, {len(missing)} lost", flush=True)
    return lost


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    binary = ROOT / "target" / "release" / "wellspring"
    arguments.add_argument("--binary", type=pathlib.Path, default=binary)
    arguments = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("mounting needs root")
    with tempfile.TemporaryDirectory() as directory, Image(pathlib.Path(directory)) as image:
        if lost := rounds(arguments, image, arguments.rounds, ()):
            sys.exit(f"{lost} of {arguments.rounds} rounds lost what had been served")
        print("the same with openings that only pretend to sync:")
        lost = rounds(arguments, image, PRETENDED_ROUNDS, pretending_to_sync())
        if lost != PRETENDED_ROUNDS:
            sys.exit(f"only {lost} of {PRETENDED_ROUNDS} losses were found")
    print(
        f"{arguments.rounds} groups left unsynced, served, and there after a power cut; "
        f"{lost} of {PRETENDED_ROUNDS} losses found where syncs were pretended"
    )


if __name__ == "__main__":
    main()
