"""What `make demo` starts: the demo, which Ctrl-C ends with 130 also while it is imported."""

import sys

_INTERRUPTED = 130


def main() -> int:
    """Run the demo as the command line says."""
    try:
        from streams.sandbox.demo import main as run  # noqa: PLC0415  # takes a second

        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
