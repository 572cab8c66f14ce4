"""Who may read a file that holds a secret: our keys, passwords and tokens."""

import stat
from pathlib import Path
from typing import Final

_OTHERS_WRITE: Final = stat.S_IWOTH
_EXPOSED: Final = stat.S_IRWXO | stat.S_IWGRP


def why_exposed(path: Path) -> str | None:
    """Say what is wrong with a secret file's permissions, or None when they will do.

    Nobody but its owner may write it, and nobody outside of its group may read it. The group may read it: Kubernetes
    mounts a secret so for a pod that does not run as root (`defaultMode: 0440` and `fsGroup`).

    Raises:
        OSError: there is no such file.
    """
    mode = stat.S_IMODE(path.stat().st_mode)  # follows links, like reading does
    if not mode & _EXPOSED:
        return None
    who = "every user of the machine" if mode & stat.S_IRWXO else "its group"
    what = "at it" if mode & stat.S_IRWXO else "write it"
    return (
        f"mode {mode:04o} lets {who} {what}; expected 0600, 0640 or less"
        " (of a Kubernetes secret: defaultMode 0440 and an fsGroup)"
    )


def why_unread(error: OSError | UnicodeDecodeError) -> str:
    """Say why a file could not be read, without a byte of it: what Python says of text that is none shows one."""
    return (
        "it is no text" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
    )


def why_others_write(path: Path) -> str | None:
    """Say that every user of the machine may write a file, or None when they may not.

    Whoever writes the file decides who is let in or which keys sign, so such a file is refused and not warned about.

    Raises:
        OSError: there is no such file.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _OTHERS_WRITE:
        return None
    return f"mode {mode:04o} lets every user of the machine write it; expected 0600, 0640 or less"
