"""The smallest file that still fails alike."""

from __future__ import annotations

from pathlib import Path

from fuzz.readers import Reader
from fuzz.trial import tried

_MOST_TRIALS = 600


def minimised(reader: Reader, content: bytes, key: str, folder: Path) -> bytes:
    """Leave out pieces, large ones first, as long as the reader fails with the same key."""
    trials, size = 0, max(1, len(content) // 2)
    while size and trials < _MOST_TRIALS:
        at, shorter = 0, False
        while at < len(content) and trials < _MOST_TRIALS:
            candidate = content[:at] + content[at + size :]
            finding = tried(reader, candidate, folder)
            trials += 1
            if finding is not None and finding.key == key:
                content, shorter = candidate, True
            else:
                at += size
        size = size if shorter and size > 1 and len(content) > size else size // 2
    return content
