"""No version in the Server header of what we serve."""

from aiohttp import web_response


def hide_versions() -> None:
    """Have aiohttp name no version, for the whole process; call it before anything is served.

    aiohttp writes its own version and Python's into every answer that names no server, also into those that it makes
    itself for bytes that are no HTTP, which no handler and no middleware sees. There is no option for it in 3.14;
    remove this when there is one.
    """
    web_response.SERVER_SOFTWARE = "notifier"  # type: ignore[attr-defined]  # it only imports the name
