"""The README's quick start and what `wellspring demo` prints, pasted into a shell as they stand."""

import os
import re

from checks import ADDRESS, Stream, check, contains, done, equal, run

WELLSPRING = os.environ["WELLSPRING_BINARY"]
DEFAULT_ADDRESS = "127.0.0.1:7654"


def commands(section):
    """The indented command lines of a section of README.md, continued lines joined."""
    with open("README.md", encoding="utf-8") as readme:
        text = readme.read().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"(?m)^ {4}(.*)$", text.replace("\\\n", " "))
    return [line.replace(DEFAULT_ADDRESS, ADDRESS) for line in lines]


def shell(command):
    """`exec`, so that ending a stream ends the client and not a shell around it."""
    path = os.path.dirname(WELLSPRING)
    return ("bash", "-c", f'PATH="{path}:$PATH"; exec {command}')


def chosen(lines, start):
    """The one command that begins like this."""
    found = [line for line in lines if line.startswith(start)]
    equal(len(found), 1)
    return found[0]


def until(stream, part):
    while part not in stream.line():
        pass


def quick_start():
    lines = commands("Quick start")
    with check("quick start: curl follows what curl and wellspring write"):
        with Stream(*shell(chosen(lines, "curl -N"))) as feed:
            until(feed, '"current"')
            for start in ["curl -X PUT", "curl -X PATCH", "wellspring put"]:
                status, _, err = run(*shell(chosen(lines, start)))
                equal((start, status), (start, 0))
            until(feed, '"votes":4')
            until(feed, "coffee")

    with check("quick start: wellspring query finds what matches"):
        status, out, _ = run(*shell(chosen(lines, "wellspring query")))
        equal(status, 0)
        contains(out, "rooms/42")

    with check("quick start: grpcurl subscribes with a filter"):
        with Stream(*shell(chosen(lines, "grpcurl"))) as feed:
            until(feed, "rooms/42")
            until(feed, '"current"')


def demo():
    command = (WELLSPRING, "demo", "--seconds", "60", "--listen", "127.0.0.1:0")
    with Stream(*command) as output:
        lines = []
        with check("demo: prints lines to paste, then a change a second"):
            while not lines or not lines[-1].startswith("~"):
                lines.append(output.line().strip())
            until(output, "stations/")

        for start in ["curl -N -H", "grpcurl", os.path.realpath(WELLSPRING)]:
            name = os.path.basename(start.split()[0])
            with check(f"demo: its {name} line follows the sample"):
                with Stream(*shell(next(line for line in lines if line.startswith(start)))) as feed:
                    for _ in range(2):
                        until(feed, "stations/")


quick_start()
demo()
done()
