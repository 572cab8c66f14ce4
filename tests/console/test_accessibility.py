"""Every page, light and dark, wide and narrow: axe-core finds nothing, and nothing scrolls sideways."""

import pytest

from tests.console.conftest import PAGES

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

SAID = {"resultTypes": ["violations"]}
"""What is in order is not listed node by node, which takes longer than to look."""

RULES = SAID | {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
}
COLORS = SAID | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""All that the scheme can change: its style sheet sets colors, and nothing else."""


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
    await page.goto(f"{stand.url}/orders/{stand.told}")
    await page.get_by_role("button", name="Check a resend").click()
    await page.get_by_role("heading", level=1, name="again?").wait_for()
    yield "/resends/check"


@pytest.fixture
def axe():
    """The checker, which brings Playwright: a second to import, that only the process of these tests needs to spend."""
    from axe_playwright_python.async_playwright import Axe  # noqa: PLC0415

    return Axe()


@pytest.mark.parametrize("width", [1280, 320])
async def test_axe_finds_nothing(stand, visit, shows, axe, width):
    """WCAG 2.2 AA and the best practices, as far as a program can tell, light and dark; reflow at 320 px."""
    found = []
    viewport = {"width": width, "height": 900}
    async with visit(color_scheme="light", viewport=viewport, expected=("404",)) as page:
        await shows(page, "/dead-letters", "all 5 that match")
        async for path in pages_of(page, stand):
            for scheme, rules in (("light", RULES), ("dark", COLORS)):
                await page.emulate_media(color_scheme=scheme)
                found += [f"{path}, {scheme}: {fault}" for fault in await faults(axe, page, rules)]
                wide = await page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    found.append(f"{path}, {scheme}: is {wide} px wide")
            await page.emulate_media(color_scheme="light")
    assert found == []


async def test_axe_would_find_something(visit, axe):
    """The check itself works: a label that is taken away is missed, and so is a contrast, in the dark alone."""
    async with visit() as page:
        await page.evaluate("""() => {
                document.querySelector('label[for=q]').remove();
                document.querySelector('#q').placeholder = '';  // axe takes it for a name
            }""")
        assert [rule for rule, _ in await faults(axe, page, RULES)] == ["label"]
        await page.evaluate(
            """() => {
                const sheet = new CSSStyleSheet();  // a style element would be refused by the page's own policy
                sheet.replaceSync('@media (prefers-color-scheme: dark) { h1 { color: #222 } }');
                document.adoptedStyleSheets = [sheet];
            }"""
        )
        assert await faults(axe, page, COLORS) == []
        await page.emulate_media(color_scheme="dark")
        assert [rule for rule, _ in await faults(axe, page, COLORS)] == ["color-contrast"]


async def faults(axe, page, rules):
    """Return each rule that a page breaks, with the place and what to mend."""
    results = await axe.run(page, options=rules)
    return [
        (item["id"], f"{node['html']}: {node['failureSummary']}")
        for item in results.response["violations"]
        for node in item["nodes"]
    ]


async def test_larger_text_loses_nothing(stand, visit):
    """At twice the text size and wider spacing the page still fits and everything can be reached."""
    async with visit(viewport={"width": 1280, "height": 900}) as page:
        await page.goto(f"{stand.url}/orders/{stand.waiting}")
        await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        await page.evaluate("document.body.style.setProperty('font-size', '30px')")
        await page.evaluate("document.body.style.setProperty('letter-spacing', '.12em')")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert await page.get_by_label("Order, payment or event id").is_visible()


@pytest.mark.parametrize("path", ["/", "/orders", "/partners", "/tiers/30s", "/dead-letters?all=1"])
async def test_rows_fit_a_narrow_screen_whatever_the_names(stand, visit, path):
    """At 320 px rows are cards: names of 64 characters without a place to break scroll nothing, and stay a table to readers."""
    async with visit(viewport={"width": 320, "height": 900}) as page:
        await page.goto(stand.url + path)
        await page.evaluate(
            "for (const link of document.querySelectorAll('table.rows a')) link.textContent = 'W'.repeat(64)"
        )
        wide = await page.evaluate(
            "[...document.querySelectorAll('.scroll:has(table.rows)')].map(box => box.scrollWidth - box.clientWidth)"
        )
        assert [more for more in wide if more > 0] == []
        assert await page.evaluate("document.documentElement.scrollWidth") == 320
        for table in await page.locator("table.rows").all():
            assert await table.get_by_role("row").count() > 1
            assert await table.get_by_role("rowheader").first.is_visible()
