"""A new node's storage, as Kafka's own tool formats it: made once, and kept beside the jars of its version.

The tool (`kafka.tools.StorageTool`) is a Java program of its own, which makes a broker's start a second longer. What it
writes hangs on the version of Kafka, and otherwise on ids only.
"""

import base64
import re
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_IDS: Final = "meta.properties"


def new_id() -> str:
    """Return an id as Kafka makes them: 16 bytes in URL-safe base64, without a leading dash."""
    return base64.urlsafe_b64encode(b"\0" + secrets.token_bytes(15)).decode().rstrip("=")


def _kept(jars: Path) -> Path:
    return jars.with_name(f"{jars.name}-storage")


def lay_out(jars: Path, data: Path, cluster: str, number: int) -> bool:
    """Lay out the storage of a new node, where it was kept; tell whether it was.

    Args:
        jars: the directory of this version's jars.
        data: the node's data directory, empty.
        cluster: the cluster's id.
        number: the node's.
    """
    try:
        shutil.copytree(_kept(jars), data, dirs_exist_ok=True)
    except FileNotFoundError:
        return False
    own = {"cluster.id": cluster, "node.id": str(number), "directory.id": new_id()}
    ids = data / _IDS
    text = ids.read_text("ascii")
    for name, value in own.items():
        text = re.sub(rf"(?m)^{re.escape(name)}=.*$", f"{name}={value}", text)
    ids.write_text(text, "ascii")
    return True


def keep(jars: Path, data: Path) -> None:
    """Keep what the tool has written for later nodes; a cache that can't be written is none."""
    kept = _kept(jars)
    with suppress(OSError), tempfile.TemporaryDirectory(dir=kept.parent, prefix=kept.name) as made:
        copy = shutil.copytree(data, Path(made) / "storage")
        copy.rename(kept)  # whole, or not at all; another process may have been first
