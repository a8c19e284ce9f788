"""A file system whose power can be cut: ext4 in an image, which is shut down without writing out
anything (FS_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH), and mounted again as after the power came
back. Needs root and loop devices. The ioctl is made here, as the crates have no unsafe code.
"""

import fcntl
import os
import struct
import subprocess

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = struct.pack("I", 2)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Image:
    """An ext4 file system in a file."""

    def __init__(self, directory):
        self.file = directory / "image"
        self.mount_point = directory / "mounted"
        self.mount_point.mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        self.unmount()

    def make(self):
        self.file.unlink(missing_ok=True)
        with open(self.file, "wb") as file:
            file.truncate(2 << 30)
        run("mkfs.ext4", "-q", "-F", str(self.file))

    def mount(self):
        run("mount", "-o", "loop", str(self.file), str(self.mount_point))

    def cut(self):
        directory = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, FS_IOC_SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(directory)

    def unmount(self):
        if os.path.ismount(self.mount_point):
            run("umount", str(self.mount_point))
