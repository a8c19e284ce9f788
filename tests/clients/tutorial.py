"""The tutorial's chapters about data, its past, and feeds, pasted into a shell as they stand."""

import os
import re
import tempfile

from checks import ADDRESS, SERVER, check, contains, done, equal, run

WELLSPRING = os.environ["WELLSPRING_BINARY"]
DEFAULT_SERVER = "http://127.0.0.1:7654"
CHAPTERS = [
    "Bringing data in, and asking for it",
    "Looking back",
    "Only what you need",
    "Work that is done once",
]

# Commits of the chapters before, so that sequences are those that are shown.
COMMITS_BEFORE = 6


def steps(chapter):
    """The commands of a chapter, each with the lines that it is said to print."""
    with open("tutorial.md", encoding="utf-8") as tutorial:
        text = re.split(rf"(?m)^## \d+\. {re.escape(chapter)}$", tutorial.read())[1]
    lines = re.findall(r"(?m)^ {4}(.*)$", text.partition("\n## ")[0])
    found, wanted = [], None
    for line in lines:
        command = found[-1][0] if found else []
        is_open = wanted is not None or (command and command[-1].endswith("\\"))
        if is_open:  # a document between << and its end, or a continued line
            command.append(line)
            wanted = None if line == wanted else wanted
        elif line.startswith("$ "):
            found.append(([line[2:]], []))
            here = re.search(r"<<'(\w+)'", line)
            wanted = here and here[1]
        else:
            found[-1][1].append(line)
    return [("\n".join(command), shown) for command, shown in found]


def pieces(line):
    """What of a line is the same whenever it is printed."""
    if re.match(r"[+~=-] ", line):  # for people; a program is told the same in other words
        line = line[line.index("Z") + 1 :]
    line = re.sub(r'"AQ[^"]*"', "…", line)  # tokens
    line = re.sub(r" in [0-9.]+ s \([0-9]+/s\)", "…", line)
    return [piece.strip() for piece in line.split("…") if piece.strip()]


def is_table(line):
    """Tables are for terminals."""
    return re.match(r"[─═]|[0-9]+ documents$", line) or line.startswith(" ")


def main():
    path = os.path.dirname(WELLSPRING)
    with tempfile.TemporaryDirectory() as place:
        start = f'cd {place}; export PATH="{path}:$PATH" WELLSPRING_SERVER={SERVER}; set -o pipefail\n'
        before = f"for n in $(seq {COMMITS_BEFORE}); do wellspring put before/$n '{{}}'; done"
        status, _, err = run("bash", "-c", start + before)
        equal((status, err), (0, ""))
        for chapter in CHAPTERS:
            for command, shown in steps(chapter):
                with check(f"{chapter}: {command.splitlines()[0]}"):
                    text = command.replace(DEFAULT_SERVER, SERVER).replace("curl ", "curl -sS ")
                    status, out, err = run("bash", "-c", start + text)
                    refused = any(line.startswith("error: ") for line in shown)
                    equal(status != 0, refused)
                    for line in shown:
                        for piece in [] if is_table(line) else pieces(line):
                            contains(out + err, piece)
    done()


main()
