"""Damage files: change any bytes, or the entries, fields and instructions of a format."""

from __future__ import annotations

import copy
import io
import json
import pickletools
import random
import re
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

SIZES = [0, 1, 2, 127, 128, 255, 256, 65535, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62]
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    1 << 31,
    1 << 70,
    0.5,
    1e308,
    float("nan"),
    float("-inf"),
    "",
    "x",
    "float32",
    "\x1b[31m",
    "\ud800",
    "a" * 300,
    [],
    [0],
    [1 << 40, 1 << 40],
    [[[]]],
    {},
    {"name": {}},
]


def damaged(data: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Change, insert, remove or repeat bytes, replace a number, cut the end, or copy from another file."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
        size = len(result)
        reach = min(size, 600) if rng.random() < 0.5 else size
        at, length = rng.randrange(reach + 1), rng.choice([1, 1, 2, 4, 8, 32])
        match rng.randrange(9):
            case 0 if at < size:
                result[at] ^= 1 << rng.randrange(8)
            case 1 if at < size:
                result[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            case 2:
                del result[at : at + length]
            case 3:
                result[at:at] = rng.randbytes(length)
            case 4:
                result[at:at] = result[at : at + 4 * length]
            case 5 | 6:
                form = rng.choice(["<H", "<I", "<Q", ">I"])
                limit = 1 << 8 * struct.calcsize(form)
                piece = struct.pack(form, (rng.choice(SIZES) - rng.randrange(2)) % limit)
                result[at : at + len(piece)] = piece
            case 7 if rng.random() < 0.3:
                del result[at:]
            case 8:
                other = rng.choice(seeds)
                begin = rng.randrange(len(other))
                result[at : at + length] = other[begin : begin + rng.choice([4, 16, 64, 400])]
    return bytes(result)


def changed_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove or repeat values in JSON."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return data
    for _ in range(rng.choice([1, 1, 2])):
        holder = whole
        while isinstance(holder, (dict, list)) and holder:
            key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
            inner = holder[key]
            if isinstance(inner, (dict, list)) and inner and rng.random() < 0.8:
                holder = inner
                continue
            if rng.random() < 0.15:
                del holder[key]
            elif rng.random() < 0.15 and isinstance(holder, list):
                holder.append(copy.deepcopy(inner))
            else:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
            break
    return json.dumps(whole).encode()


def changed_pickle(data: bytes, rng: random.Random) -> bytes:
    """Remove, repeat, exchange or copy instructions of a pickle, or change their codes."""
    begin = max(data.find(b"\x80"), 0)
    places = []
    try:
        for _, _, place in pickletools.genops(data[begin:]):
            places.append(begin + (place or 0))
    except Exception:  # joblib's arrays follow these instructions
        pass
    if len(places) < 3:
        return data
    pieces = [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    for _ in range(rng.choice([1, 1, 2, 4])):
        at, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        match rng.randrange(5):
            case 0 if len(pieces) > 1:
                del pieces[at]
            case 1:
                pieces.insert(at, pieces[at])
            case 2:
                pieces[at], pieces[other % len(pieces)] = pieces[other % len(pieces)], pieces[at]
            case 3:
                pieces.insert(at, pieces[other % len(pieces)])
            case 4:
                code = bytes(
                    [rng.choice(b"(.0129BCFGIJKMNQRTUVX]abceghijlopqrstu}\x81\x85\x86\x87\x88\x8c\x93\x94")]
                )
                pieces[at] = code + pieces[at][1:]
    return data[:begin] + b"".join(pieces)


def changed_header(data: bytes, rng: random.Random) -> bytes:
    """Replace a number, a word or a character in the header of a `.npy` file, and correct its length."""
    if not data.startswith(b"\x93NUMPY\x01\x00") or len(data) < 12:
        return data
    (length,) = struct.unpack("<H", data[8:10])
    text = data[10 : 10 + length].decode("latin1")
    words = list(re.finditer(r"\d+|[A-Za-z_]+|[^\w\s]", text))
    if not words:
        return data
    word = rng.choice(words)
    new = rng.choice(
        ["", "0", "-1", "9" * 20, "True", "|O", "'", "(", "[", "f8", "V9", ",", "None", "<", "1" * 12]
    )
    text = text[: word.start()] + new + text[word.end() :]
    return data[:8] + struct.pack("<H", len(text)) + text.encode("latin1") + data[10 + length :]


def changed_archive(data: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Change the content of an entry and correct its checksum; remove, rename or replace an entry; or replace
    a field of the directory."""
    if rng.random() < 0.25:
        places = [one.start() for one in re.finditer(b"PK\x01\x02|PK\x03\x04|PK\x05\x06", data)]
        at = rng.choice(places) + rng.randrange(4, 46)
        return data[:at] + struct.pack("<I", rng.choice(SIZES) % (1 << 32)) + data[at + 4 :]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    at = rng.randrange(len(entries))
    name, content = entries[at]
    match rng.randrange(8):
        case 0:
            del entries[at]
        case 1:
            entries[at] = (rng.choice(["x.npy", "manifest.npy", "/", "\x1b.npy", name + "x"]), content)
        case 2:
            entries[at] = (name, rng.choice(entries)[1])
        case _:
            entries[at] = (name, changed_entry(content, seeds, rng))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as new:
        for name, content in entries:
            new.writestr(name, content)
    return file.getvalue()


def changed_entry(content: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    if content.startswith(b"\x80"):
        return changed_pickle(content, rng)
    if content.startswith(b"\x93NUMPY") and b"{" in content[128:129]:  # the manifest
        body = changed_json(content[128:], rng)
        file = content[:10] + re.sub(rb"\((\d+),\)", b"(%d,)" % len(body), content[10:127]) + b"\n" + body
        return file[:8] + struct.pack("<H", len(file) - len(body) - 10) + file[10:]
    return changed_header(content, rng) if rng.random() < 0.5 else damaged(content or b"\0", seeds, rng)
