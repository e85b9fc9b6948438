"""Changes to a file that keep much of its structure: what a plain flip of bits seldom finds."""

from __future__ import annotations

import random
import re

# what stands where a number, a name or a path is expected
TOKENS = (
    *(b"0", b"-0", b"-1", b"1e400", b"-1e400", b"1e308", b"1e-320", b"nan", b"inf", b"NaN"),
    *(b"9" * 18, b"9" * 30, b"9" * 5000, b"0x10", b"1_000", b"1e18", b"2147483648", b"-7.5"),
    *(b"", b"?", b".", b'""', b"''", b"null", b"[]", b"{}", b'"x"', b"true", b"Infinity"),
    *(b"../../etc/passwd", b"/etc/passwd", b"x" * 300, b"a/" * 3000, b"\x00", b"\xff\xfe", b"\xc3"),
    *("é".encode(), "١".encode(), "\u2028".encode(), b"\x1b[31m", b"%s%n", b"\r\n", b"@", b"1@"),
    *(b"loop_", b"data_", b"save_", b"stop_", b";", b"#", b"'", b'"', b"_rlnImageName", b">"),
    *(b"(" * 300, b"[" * 2000, b"{'a':" * 200, b"|O", b"<f8", b"<U99999999", b"|V0"),
)
_WORDS = re.compile(rb"[^\s,:;{}\[\]()\"'=]+")
_INTEGERS = (0, 1, -1, 2, 127, 255, 2**15, 2**16 - 1, 2**31 - 1, -(2**31), 10**6, 10**9)


def mutated(content: bytes, rng: random.Random, most_bytes: int = 1 << 16) -> bytes:
    """The content after one to four changes, at most so many bytes of it."""
    for _ in range(rng.randint(1, 4)):
        content = rng.choice(_CHANGES)(content, rng)
    return content[:most_bytes]


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3) if changed else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _end_early(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randint(0, len(content))]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 1, 2, 50)) + content[end:]


def _replace_word(content: bytes, rng: random.Random) -> bytes:
    found = list(_WORDS.finditer(content))
    if not found:
        return rng.choice(TOKENS)
    word = rng.choice(found)
    put = rng.choice(TOKENS) if rng.random() < 0.8 else rng.choice(found).group()
    return content[: word.start()] + put + content[word.end() :]


def _insert_token(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(TOKENS) + content[at:]


def _swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _drop_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    del lines[rng.randrange(len(lines))]
    return b"\n".join(lines)


def _put_integer(content: bytes, rng: random.Random) -> bytes:
    """A number of a binary header, mostly one that says how large something is."""
    size = rng.choice((2, 4, 4, 4, 8))
    if len(content) < size:
        return content
    at = rng.randrange(0, len(content) - size + 1)
    at -= at % size if rng.random() < 0.8 else 0
    number = rng.choice(_INTEGERS) % 2 ** (8 * size)
    return (
        content[:at] + number.to_bytes(size, rng.choice(("little", "big"))) + content[at + size :]
    )


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(content))
    return start, min(len(content), start + rng.choice((1, 4, 16, 64, 512)))


_CHANGES = (
    _flip,
    _cut,
    _end_early,
    _repeat,
    _replace_word,
    _replace_word,
    _replace_word,
    _insert_token,
    _swap_lines,
    _drop_line,
    _put_integer,
)
