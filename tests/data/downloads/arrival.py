"""What a download left, and what it asked for."""

import hashlib

from novis.data.downloads.checksums import Checksum, record_path


def md5(content):
    return Checksum("md5", hashlib.md5(content).hexdigest())


def ranges(server):
    return [request.get("Range") for request in server.requests]


def left_over(target):
    """What lies beside the target, but for the record."""
    names = {path.name for path in target.parent.iterdir()} if target.parent.exists() else set()
    return names - {target.name, record_path(target).name}
