"""Values of settings and of the partners file as a message may show them: without what may be a secret.

People paste keys, passwords and tokens where the name of their file belongs, and put tokens into URLs.
"""

import os
import re
from pathlib import Path
from typing import Final

_LONGEST_SHOWN: Final = 64
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*://[\w.:\[\]-]+)(/[^?#\s]*)?([?#].*)?", re.IGNORECASE)
_LIKE_A_PATH: Final = re.compile(r"/?([\w.@ -]+/)*[\w.@ -]+")
_WITH_ENDING: Final = re.compile(
    r".*[\w-]\.(pem|key|crt|cer|cert|bundle|txt|ya?ml|json|conf|password|secret|token|db|sqlite3?)"
)
_PLAIN_FOLDERS: Final = re.compile(r"(/?[a-z0-9._-]+)(/[a-z0-9._-]+)+")


def shown_path(path: Path, base: Path = Path()) -> str:
    """Return a path, or only its length where it may be the secret itself, put where its file was meant.

    A secret in base64 may look like a path too (`wJalr/K7MDENG`). What has a usual ending, lies in a folder that is there,
    or has folders and small letters only, is taken for a path.

    Args:
        path: as it was given.
        base: the folder that it is relative to.
    """
    text = str(path)
    if _LIKE_A_PATH.fullmatch(text) and (
        _WITH_ENDING.fullmatch(text) or _PLAIN_FOLDERS.fullmatch(text) or _has_folder(path, base)
    ):
        return repr(text)
    return _length(text, "it may be the secret itself")


def shown_url(url: str, *, with_path: bool = False) -> str:
    """Return the server that a URL names; of one with a user, and of what is no URL, its length only.

    Args:
        url: as it was given.
        with_path: whether its path holds no token, such as that of a token server.
    """
    parts = _URL.fullmatch(url)
    if parts is None or "@" in url:
        return _length(url, "it may hold a password or token")
    path = parts[2] or ""
    if not with_path:
        return repr(parts[1] + ("/…" if path.strip("/") or parts[3] else path))
    return repr(parts[1] + path + ("?…" if parts[3] else ""))


def shown_text(text: str) -> str:
    """Return a value that was meant to be neither path nor URL; by its length where it may be a key or a URL all the same."""
    if len(text) > _LONGEST_SHOWN or "\n" in text:
        return f"text of {len(text)} characters"
    if "://" in text or "@" in text or "?" in text:
        return shown_url(text)
    return repr(text)


def _has_folder(path: Path, base: Path) -> bool:
    folders = path.parts[1:] if path.is_absolute() else path.parts
    first = (Path(path.anchor) if path.is_absolute() else base) / folders[0] if folders else base
    return len(folders) > 1 and os.path.isdir(first)  # noqa: PTH112  # never raises, whatever the text is


def _length(text: str, why: str) -> str:
    return f"a value of {len(text)} characters (not shown: {why})"
