"""The report's and the audit's page in a real browser, where one is installed.

Needs Chromium (Debian's package ``chromium``, or CHROMIUM with its path) and playwright, which
drives it; without them the tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from tests.cli.conftest import NETWORK, copied, run_alone
from tests.reports.test_odd_data import HOSTILE, scored_set
from toolkit.reports.compare import compare
from toolkit.reports.report import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZES = {"phone": (390, 844), "desktop": (1280, 860)}
ROWS = """() => [...document.querySelectorAll("#rows tbody tr")]
    .filter(row => row.offsetParent !== null)
    .map(row => [...row.cells].map(cell => cell.dataset.value ?? null))"""
WIDER = """() => [...document.querySelectorAll(".scroll tbody th")]
    .filter(head => head.offsetWidth > head.closest(".scroll").clientWidth)
    .map(head => head.textContent.slice(0, 40))"""
CONTRAST = """() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = node => {
        const own = getComputedStyle(node).backgroundColor;
        return own === "rgba(0, 0, 0, 0)" ? ground(node.parentElement) : own;
    };
    return [...document.querySelectorAll("h1, h2, h3, p, td, th, dt, dd, a, b, span, svg text")]
        .filter(node => node.textContent.trim() && node.offsetParent !== null)
        .map(node => {
            const [a, b] = [light(getComputedStyle(node).color), light(ground(node))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.textContent.trim()];
        })
        .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def pages(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the report, with an audit's findings, and the audit's page."""
    folder = tmp_path_factory.mktemp("pages")
    copied(fitted, folder / "artifacts")
    (folder / "artifacts" / "embeddings" / "engines").symlink_to(fitted / "embeddings" / "engines")
    audit, report = folder / "audit.html", folder / "report.html"
    network = ("--features", NETWORK, "--weights", "none")
    told = run_alone(
        folder / "artifacts", "audit", *network, "--permutations", 99, "--html", audit, "--json"
    )
    assert told.code == 0, told.err
    findings = folder / "audit.json"
    findings.write_text(told.out)
    made = run_alone(
        folder / "artifacts", "report", "--resamples", 40, "--audit", findings, "--out", report
    )
    assert made.code == 0, made.err
    return {"report": report, "audit": audit}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    driver = pytest.importorskip(
        "playwright.sync_api", reason="no page was opened: playwright is not installed"
    )
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no page was opened: no Chromium is installed (Debian's package chromium)")
    with driver.sync_playwright() as playwright:
        # a container has no user namespaces for the sandbox, and opens none but our own pages
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


class Seen:
    """A page that was opened, and what it did meanwhile."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.mark.parametrize("name", ["report", "audit"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_page_opens_clean_at_every_size_and_by_day_and_night(
    browser: Browser, pages: dict[str, Path], name: str, scheme: Any, size: str
) -> None:
    width, height = SIZES[size]
    screen: Any = {"width": width, "height": height}
    with browser.new_context(viewport=screen, color_scheme=scheme) as context:
        seen = Seen(context.new_page(), pages[name])
        assert seen.ask("document.documentElement.scrollWidth") == width
        # pictures load when they come into view
        seen.ask("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        images = seen.ask(
            """Promise.all([...document.images].map(async image => {
                await image.decode();
                return [image.naturalWidth, image.alt];
            }))"""
        )
        assert images
        assert all(wide > 0 and alt for wide, alt in images)
        assert seen.ask(CONTRAST) == []
        ground = seen.ask("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 3 * 128) == (scheme == "dark")
        assert seen.complaints == []
        outside = [url for url in seen.requests if not url.startswith("data:")]
        assert outside == [pages[name].as_uri()]


@pytest.mark.parametrize("size", SIZES)
def test_hostile_and_long_names_neither_run_nor_widen_a_page(
    browser: Browser, tmp_path: Path, size: str
) -> None:
    names = (*HOSTILE, "<img src=x onerror=alert(1)>", '" autofocus onfocus="alert(2)', "W" * 200)
    dataset, _ = scored_set(tmp_path, names, 200, 0.3)
    page = tmp_path / "r.html"
    report(dataset, page, members="m", resamples=100, artifacts=tmp_path)
    table = compare(dataset, "m", resamples=0, artifacts=tmp_path).to_markdown(per_label=True)
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")  # raw HTML let through
    (tmp_path / "t.html").write_text(
        f"<!doctype html><link rel=icon href=data:>{reader.render(table)}"
    )
    width, height = SIZES[size]
    screen: Any = {"width": width, "height": height}
    with browser.new_context(viewport=screen) as context:
        for path in (page, tmp_path / "t.html"):
            opened = context.new_page()
            opened.on("dialog", lambda dialog: pytest.fail(dialog.message))
            seen = Seen(opened, path)
            seen.page.wait_for_timeout(100)
            assert seen.complaints == []
            outside = [url for url in seen.requests if not url.startswith(("data:", "blob:"))]
            assert outside == [path.as_uri()]
            if path == page:
                assert seen.ask("document.documentElement.scrollWidth") == width
                assert seen.ask(WIDER) == []


def test_a_click_on_a_head_sorts_and_a_third_goes_back_to_groups(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 860}) as context:
        seen = Seen(context.new_page(), pages["report"])
        grouped = seen.ask(ROWS)
        heads = seen.page.locator("#rows thead button")
        count = seen.ask("document.querySelectorAll('#rows .group').length")
        for at in (1, 3):
            for sign, said in ((-1, "descending"), (1, "ascending")):
                heads.nth(at).click()
                head = seen.page.locator("#rows thead th").nth(at)
                assert head.get_attribute("aria-sort") == said
                rows = seen.ask(ROWS)
                assert len(rows) == len(grouped) - count
                known = [sign * float(row[at]) for row in rows if row[at] is not None]
                assert len(set(known)) > 1
                assert all(a <= b for a, b in pairwise(known))
                assert all(row[at] is None for row in rows[len(known) :])
            heads.nth(at).click()
            assert head.get_attribute("aria-sort") is None
            assert seen.ask(ROWS) == grouped
        heads.nth(0).focus()
        seen.page.keyboard.press("Enter")
        names = seen.page.locator("#rows tbody tr:not(.group) th").all_inner_texts()
        ours = [name for name in names if name.split(" ")[0] in ("both", "strong", "weak")]
        assert [name.split(" ")[0] for name in ours] == ["both", "strong", "weak"]
        assert seen.complaints == []


def test_the_heads_stay_in_sight_and_print_holds_the_whole_table(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 260}) as context:
        seen = Seen(context.new_page(), pages["report"])
        seen.page.locator("#rows tbody tr").last.scroll_into_view_if_needed()
        top = "document.querySelector('#rows thead th').getBoundingClientRect().top"
        assert seen.ask("scrollY") > 300
        assert 0 <= seen.ask(top) < 2
        seen.page.emulate_media(media="print")
        seen.page.set_viewport_size({"width": 700, "height": 1000})  # A4 less its margins
        assert seen.ask("document.querySelector('#rows').offsetWidth") <= 700
        assert seen.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
