"""Make the console's pictures for docs/console.md: start a demo whose waits are the real ones, look at it, end it.

Needs a Chromium on this machine (Debian: apt-get install chromium fonts-inter fonts-jetbrains-mono); takes three minutes.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
WIDTH, HEIGHT = 1280, 860
PATIENCE_SECONDS = 240
SETTLE_SECONDS = 75  # of traffic, so that something waits, fails and was given up
DEMO = [sys.executable, "-u", "-m", "streams.sandbox.demo"]
OPTIONS = ["--scale", "1", "--payments", "160", "--time-limit", "5", "--keep"]
TALL = {"order": 1250, "dead-letters": 1100}


def main() -> int:
    """Make them."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        print("no Chromium: install one (Debian: apt-get install chromium) or name it in CHROMIUM")
        return 1
    PICTURES.mkdir(exist_ok=True)
    with subprocess.Popen(  # noqa: S603  # our own demo
        [*DEMO, *OPTIONS], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    ) as demo:
        try:
            found = heard(demo)
            time.sleep(SETTLE_SECONDS)
            asyncio.run(look(chromium, **found))
        finally:
            demo.send_signal(signal.SIGINT)
    return 0


def heard(demo: "subprocess.Popen[str]") -> dict[str, str]:
    """Return the address, the token and the order that the demo names."""
    assert demo.stdout is not None  # noqa: S101  # asked for
    text, deadline = "", time.monotonic() + PATIENCE_SECONDS
    for line in demo.stdout:
        text += line
        if line.startswith("  files ") or time.monotonic() > deadline:
            break
    words = {"url": r"console +(\S+)", "token": r"token +(\S+)", "order": r"look for +(\w+)"}
    found = {name: re.search(pattern, text) for name, pattern in words.items()}
    if not all(found.values()):
        message = f"the demo did not come up:\n{text}"
        raise SystemExit(message)
    return {name: match[1] for name, match in found.items() if match}


async def look(chromium: str, url: str, token: str, order: str) -> None:
    """Sign in and take every picture."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--disable-quic", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            context = await browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
                timezone_id="UTC",
            )
            page = await context.new_page()
            await page.goto(f"{url}/login")
            await page.get_by_label("Access token").fill(token)
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_role("heading", name="Overview").wait_for()
            if scheme == "dark":
                await shoot(page, "overview-dark")
            else:
                await light(page, url, order)
            await context.close()
        await browser.close()


async def light(page: Page, url: str, order: str) -> None:
    """Take the pictures of the light scheme, the last of them of a replay."""
    await shoot(page, "overview")
    for name, path in (
        ("order", f"/orders/{order}"),
        ("tiers", "/tiers"),
        ("partner", "/partners/ant-silent"),
        ("dead-letters", "/dead-letters"),
    ):
        await page.goto(url + path)
        await shoot(page, name)
    await page.goto(f"{url}/dead-letters?reason=rejected&partner=alipayplus")
    await page.get_by_role("button", name=re.compile("all .* that match")).click()
    await page.get_by_label("Why").fill("the partner mended its limits, ticket 4711")
    await shoot(page, "check")
    await page.get_by_role("button", name=re.compile("Put back")).click()
    await page.get_by_text(re.compile("delivered[.]")).first.wait_for(timeout=60_000)
    await shoot(page, "replay")


async def shoot(page: Page, name: str) -> None:
    """Take one picture, of the upper part of a long page."""
    height = await page.evaluate("document.documentElement.scrollHeight")
    shown = {"x": 0, "y": 0, "width": WIDTH, "height": min(height, TALL.get(name, HEIGHT + 200))}
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=shown)  # type: ignore[arg-type]  # a FloatRect
    print(f"wrote docs/pictures/{name}.png")


if __name__ == "__main__":
    sys.exit(main())
