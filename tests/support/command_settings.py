"""Settings for commands that a test runs in its own process: none of the machine's, and the test keys in a folder."""

import os
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"


def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting of the notifier out of the environment, for this test."""
    for name in tuple(os.environ):
        if name.startswith("NOTIFIER_"):
            monkeypatch.delenv(name)


def set_one_partner(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, more: str) -> None:
    """Leave one partner, who takes `mpp-to-alipay-plus`, as the only setting.

    Args:
        folder: for its file and our key.
        monkeypatch: of the test.
        name: its id.
        more: a line of its entry besides.
    """
    without_settings(monkeypatch)
    copy_key("sender_private_pkcs8", folder / "key.pem")
    file = folder / "partners.yaml"
    file.write_text(f"""partners:
  {name}:
    profiles: [mpp-to-alipay-plus]
    client_id: SANDBOX_1
    private_key_file: key.pem
    peer_public_key_files: {{1: {VECTORS / "receiver_public_spki.pem"}}}
    {more}
""")
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(file))


def copy_key(source: str, file: Path) -> None:
    """Copy a key of the test vectors (its name without the ending), readable by its owner only."""
    file.write_bytes((VECTORS / f"{source}.pem").read_bytes())
    file.chmod(0o600)
