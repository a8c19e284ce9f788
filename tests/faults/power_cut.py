#!/usr/bin/env python3
"""Power cuts: a kill never tests a sync, as the page cache outlives the process.

    cargo build --release -p wellspring-tests
    sudo tests/faults/power_cut.py --cuts 300

Each cut: an ext4 file system in an image is mounted, a process commits into a database on it,
and at a random moment the power of that file system is cut. Then it is mounted again, and the
database must open and hold every commit that was acknowledged, whole. Snapshots are made all the
time. Needs root and loop devices.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from power import Image
from server import ROOT

# After so many cuts a new database, so that checking one stays quick.
CUTS_A_DATABASE = 25


def write_and_cut(image, binary, first, large_bytes, generator):
    """Returns the lines that were acknowledged before the power went."""
    command = [binary, image.mount_point / "data", str(first), str(large_bytes)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = []
    opened = threading.Event()

    def read():
        for line in writer.stdout:
            if line == "open\n":
                opened.set()
            else:
                lines.append(line)

    reader = threading.Thread(target=read)
    reader.start()
    # Every eighth cut falls into opening and recovery.
    if generator.randrange(8):
        if not opened.wait(60):
            sys.exit("the database did not open within 60 s")
    time.sleep(generator.uniform(0, 0.25))
    image.cut()
    writer.kill()
    writer.wait()
    reader.join()
    return lines


def check(image, binary, lines, crash):
    command = [binary, image.mount_point / "data"] + (["--crash"] if crash else [])
    checked = subprocess.run(command, input="".join(lines), text=True, capture_output=True)
    if checked.returncode != 0:
        sys.exit(f"after {len(lines)} acknowledged commits: {checked.stderr}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cuts", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--binaries", type=pathlib.Path, default=ROOT / "target" / "release")
    arguments = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("mounting needs root")
    generator = random.Random(arguments.seed)
    acknowledged = 0
    with tempfile.TemporaryDirectory() as directory, Image(pathlib.Path(directory)) as image:
        lines = []
        for cut in range(arguments.cuts):
            if cut % CUTS_A_DATABASE == 0:
                image.make()
                lines = []
            # Documents of up to a mebibyte in every other database.
            large_bytes = 20_000 if cut // CUTS_A_DATABASE % 2 == 0 else 1_000_000
            image.mount()
            writer = arguments.binaries / "wellspring-test-writer"
            found = write_and_cut(image, writer, cut * 1_000_000, large_bytes, generator)
            lines += found
            acknowledged += len(found)
            image.unmount()
            image.mount()
            checker = arguments.binaries / "wellspring-test-checker"
            check(image, checker, lines, crash=cut % 2 == 1)
            image.unmount()
            print(f"cut {cut + 1}: {len(found)} acknowledged, all there", flush=True)
    print(f"{arguments.cuts} power cuts, {acknowledged} acknowledged commits, 0 lost")


if __name__ == "__main__":
    main()
