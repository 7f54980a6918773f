"""Text that every format can hold: names of files may have bytes that are no UTF-8.

Python holds such a byte as half of a surrogate pair (`os.fsdecode`), which no UTF-8 file can hold. In a table
it is spelled `\\udcff`, and a NUL `\\u0000`. Any other text stays as it is, unless it holds such a spelling
by itself: then the backslashes before it are doubled, so that two names are never spelled alike.
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"(?<!\\)(?:(\\*)([\0\ud800-\udfff])|(\\+)(?=u(?:0000|d[89a-f][0-9a-f]{2})))")
_SPELLED = re.compile(r"(?<!\\)(\\+)u(0000|d[89a-f][0-9a-f]{2})")


def spell(text: str) -> str:
    """`text`, with what no UTF-8 file can hold written out."""
    return _SPECIAL.sub(_spelled, text)


def unspell(text: str) -> str:
    """The text that `spell` made this from."""
    return _SPELLED.sub(_unspelled, text) if "\\u" in text else text


def _spelled(found: re.Match[str]) -> str:
    before, sign, slashes = found.groups()
    return 2 * slashes if sign is None else f"{2 * before}\\u{ord(sign):04x}"


def _unspelled(found: re.Match[str]) -> str:
    slashes, code = found.groups()
    half = slashes[: len(slashes) // 2]
    return half + chr(int(code, 16)) if len(slashes) % 2 else f"{half}u{code}"
