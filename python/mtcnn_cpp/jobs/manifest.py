"""The file `_job.json` of a folder of parts: which job the folder belongs to."""

from __future__ import annotations

import json
from typing import Any

from ..formats.errors import shown
from ..stores import Folder

NAME = "_job.json"
PROGRAM = "mtcnn_cpp"


def write_manifest(folder: Folder, settings: dict[str, Any]) -> None:
    """Write it, whole."""
    text = json.dumps({"program": PROGRAM, "settings": settings}, indent=1)
    with folder.writing(NAME) as file:
        file.write(text.encode() + b"\n")


def check_manifest(folder: Folder, settings: dict[str, Any]) -> None:
    """ValueError, which names the differences, unless the folder's job has these settings."""
    found = _read(folder)
    differences = [
        f"{name} was {shown(json.dumps(found[name])) if name in found else 'not recorded'}, "
        f"and is {json.dumps(settings.get(name))} now"
        for name in {**settings, **found}
        if found.get(name) != settings.get(name)
    ]
    if differences:
        raise ValueError(
            f"{folder.name} holds a job with other options: {'; '.join(differences)}. Give the same options "
            "to go on with it, or choose another folder"
        )


def _read(folder: Folder) -> dict[str, Any]:
    try:
        content = json.loads(folder.read(NAME))
        settings = content["settings"] if content["program"] == PROGRAM else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder.name}: {NAME} is damaged, or not of this program ({error})") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{folder.name}: {NAME} is damaged, or not of this program")
    return settings
