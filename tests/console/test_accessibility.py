"""Every page, light and dark, wide and narrow: axe-core finds nothing, and nothing scrolls sideways."""

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.console.conftest import PAGES

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def pages_of(page, stand):
    """Yield every kind of page there is, by going there."""
    letters = stand.deployment.names.dead_letter
    paths = [
        *PAGES,
        f"/orders/{stand.waiting}",
        f"/orders/{stand.told}",
        f"/orders/{stand.refused[0]}",
        "/orders/none",
        "/nowhere",
    ]
    for path in paths:
        await page.goto(stand.url + path)
        yield path
    await page.goto(stand.url + "/dead-letters?all=1")
    await page.locator("tbody a", has_text="Details").first.click()
    yield letters
    await page.goto(stand.url + "/dead-letters")
    await page.get_by_role("button", name="Check a replay of all").click()
    await page.get_by_role("heading", level=1).wait_for()
    yield "/dead-letters/check"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
async def test_axe_finds_nothing(stand, visit, shows, scheme, width):
    """WCAG 2.2 AA and the best practices, as far as a program can tell; reflow at 320 px."""
    axe, found = Axe(), []
    viewport = {"width": width, "height": 900}
    async with visit(color_scheme=scheme, viewport=viewport, expected=("404",)) as page:
        await shows(page, "/dead-letters", "all 5 that match")
        async for path in pages_of(page, stand):
            results = await axe.run(page, options=RULES)
            found += [
                f"{path}: {item['id']}: {node['html']}: {node['failureSummary']}"
                for item in results.response["violations"]
                for node in item["nodes"]
            ]
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found.append(f"{path}: is {wide} px wide")
    assert found == []


async def test_axe_would_find_something(visit):
    """The check itself works: a label that is taken away is missed."""
    async with visit() as page:
        await page.evaluate("document.querySelector('label[for=q]').remove()")
        results = await Axe().run(page, options=RULES)
        assert [item["id"] for item in results.response["violations"]] == ["label"]


async def test_larger_text_loses_nothing(stand, visit):
    """At twice the text size and wider spacing the page still fits and everything can be reached."""
    async with visit(viewport={"width": 1280, "height": 900}) as page:
        await page.goto(f"{stand.url}/orders/{stand.waiting}")
        await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        await page.evaluate("document.body.style.setProperty('font-size', '30px')")
        await page.evaluate("document.body.style.setProperty('letter-spacing', '.12em')")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert await page.get_by_label("Order id").is_visible()
