"""A rehearsal partner in a process of its own, so that it takes no time from the program under test.

`python -m streams.sandbox.partner_process --help` runs one by hand.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random  # noqa: TID251  # seeded from the command line
from typing import Self

from streams.sandbox.inbox import Inbox, Received
from streams.sandbox.keys import Keys, keys_in, make_keys
from streams.sandbox.partner import PATHS, PartnerError, ScriptedPartner, notify_url
from streams.sandbox.script import parse_shares

_STOP_SECONDS = 10.0


class PartnerProcess(Inbox):
    """A partner in another process; requests arrive here as they come in. It ends with this one.

    Args:
        keys: as `make_keys` laid them out in one directory.
        shares: answers by weight for requests without a script in their URL.
        seed: of the generator that draws them.
        tls: HTTPS, or plain HTTP.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        shares: Mapping[str, float] | None = None,
        seed: int = 0,
        tls: bool = True,
    ) -> None:
        super().__init__()
        self._arguments = [
            "--directory",
            str(keys.ca.parent),
            "--seed",
            str(seed),
            "--record",
            "-",
            "--attached",
        ]
        if shares:
            self._arguments += [
                "--shares",
                ",".join(f"{answer}={weight}" for answer, weight in shares.items()),
            ]
        if not tls:
            self._arguments.append("--http")
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.url = ""
        """Scheme, host and port; empty before the start."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def notify_url(self, profile: str, script: str = "") -> str:
        """Return a profile's URL, with a script that only this URL has."""
        return notify_url(self.url, profile, script)

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            PartnerError: it ended instead; its own words are on standard error.
        """
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            # -P: nothing is imported from the folder where the user stands
            [sys.executable, "-P", "-m", "streams.sandbox.partner_process", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
            start_new_session=True,  # Ctrl-C at the terminal is for its parent to act on
        )
        assert self._process.stdout is not None  # noqa: S101  # asked for above
        first = self._process.stdout.readline()
        if not first:
            self.stop()
            message = "the partner's process ended before it listened"
            raise PartnerError(message)
        self.url = json.loads(first)["url"]
        self._reader = threading.Thread(
            target=self._read, name="sandbox-partner-reader", daemon=True
        )
        self._reader.start()

    def stop(self) -> None:
        """End it; what it has received stays here."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
        process.stdout.close()

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101  # set before this thread starts
        assert self._process.stdout is not None  # noqa: S101  # asked for in start
        for line in self._process.stdout:
            self.add(Received.from_json(line))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a partner until Ctrl-C (130) or SIGTERM (0); the first line of output says where it is, in JSON."""
    options = _parser().parse_args(arguments)
    keys = keys_in(options.directory)
    if not keys.ca.exists():
        keys = make_keys(options.directory)
    stopped, code = threading.Event(), [0]

    def interrupted(*_: object) -> None:
        code[0] = 130
        stopped.set()

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    record = None
    if options.record is not None:
        record = (
            sys.stdout
            if options.record == "-"
            else Path(options.record).open("a", encoding="ascii")  # noqa: SIM115  # open until the end
        )
    partner = ScriptedPartner(
        keys,
        shares=options.shares,
        rng=Random(options.seed),  # noqa: S311  # no secret: the same seed plays the same rehearsal
        tls=not options.http,
        client_certificate=options.client_certificate,
        port=options.port,
        record=record,
    )
    try:
        partner.start()
    except PartnerError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    ready = {
        "url": partner.url,
        "notify_urls": {profile: partner.notify_url(profile) for profile in PATHS},
        "ca_file": str(keys.ca),
        "sender_private_key_file": str(keys.sender.private),
        "receiver_public_key_file": str(keys.receiver.public),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    if options.attached:
        threading.Thread(target=_when_standard_input_ends, args=(stopped,), daemon=True).start()
    stopped.wait()
    partner.stop()
    return code[0]


def _when_standard_input_ends(stopped: threading.Event) -> None:
    sys.stdin.buffer.read()
    stopped.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streams.sandbox.partner_process",
        description="A partner to rehearse against.",
    )
    parser.add_argument(
        "--directory", type=Path, required=True, help="keys and certificates; made when missing"
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--http", action="store_true", help="plain HTTP")
    parser.add_argument(
        "--client-certificate", action="store_true", help="ask the sender for a certificate"
    )
    parser.add_argument(
        "--shares", type=parse_shares, help="answers by weight: S=0.9,U:UNKNOWN_EXCEPTION=0.1"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the generator that draws from the shares"
    )
    parser.add_argument(
        "--record", help="a file for one line of JSON for each request; - is standard output"
    )
    parser.add_argument("--attached", action="store_true", help="end when standard input ends")
    return parser


if __name__ == "__main__":
    sys.exit(main())
