"""What a step depends on, as text.

On Continue, Scipion runs a step again only if its arguments differ from those stored. So every
step is given the text of everything that its result depends on, and nothing else: neither the
number of threads nor the GPU.
"""

import hashlib
import json
import os


def input_key(pointer) -> dict | None:
    """Identity of an input object: made again upstream, it differs."""
    value = pointer.get()
    if value is None:
        return None
    key = {"id": value.getObjId(), "class": value.getClassName()}
    if hasattr(value, "getSize"):
        key["size"] = value.getSize()
    if hasattr(value, "getSamplingRate"):
        key["samplingRate"] = value.getSamplingRate()
    file_name = value.getFileName()
    key["file"] = file_name
    key["created"] = str(value.getObjCreation())
    if not hasattr(value, "getSize"):
        key["content"] = file_key(file_name)
    return key


def file_key(path: str | None) -> dict | None:
    """Identity of a file: its path, size and, up to 64 MiB, its content."""
    if not path:
        return None
    key = {"file": os.path.abspath(path)}
    if os.path.isfile(path):
        key["bytes"] = os.path.getsize(path)
        key["sha256"] = _digest(path)
    return key


def as_text(**values) -> str:
    """One line of JSON; equal values give equal text."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def digest(text: str) -> str:
    """Short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(path, limit_bytes=64 << 20):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read(limit_bytes)).hexdigest()[:16]
