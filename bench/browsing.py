"""Pages in Chromium: whether anything runs in them, how long they print, how fast they answer."""

from __future__ import annotations

import re
import shutil
import statistics
from pathlib import Path
from typing import Any

SIZES = {"phone": (390, 844), "desktop": (1280, 860)}
TAGS = {"report": "report.html", "audit": "audit.html", "comparison": "compare.svg"}
# two frames after an event, what it changed has been laid out and painted
ANSWER = """async ([part, values]) => {
    const node = document.querySelector(`#explorer [data-part="${part}"]`), took = [];
    const frame = () => new Promise(requestAnimationFrame);
    for (const value of values) {
        await frame();
        const began = performance.now();
        node.value = value;
        node.dispatchEvent(new Event(node.tagName === "INPUT" ? "input" : "change"));
        await frame();
        document.querySelector("#explorer").getBoundingClientRect();
        await new Promise(done => setTimeout(done));
        took.push(performance.now() - began);
    }
    return took;
}"""
WHOLE = """() => {
    document.querySelector("#explorer")?.scrollIntoView();
    document.querySelectorAll("img").forEach(image => image.loading = "eager");
}"""
PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime"""
WORKING = """() => new Promise(done => {
    const long = [];
    new PerformanceObserver(list => long.push(...list.getEntries().map(each => each.duration)))
        .observe({type: "longtask", buffered: true});
    setTimeout(() => done(Math.max(0, ...long)), 200);
})"""


def look(folder: Path, failures: list[str]) -> dict[str, Any]:
    """Open, print and photograph a set's pages; return sizes, printed pages and milliseconds.

    Args:
        folder: of the set; screenshots go to ``shots`` in it.
        failures: gets a line for each dialog, complaint, request and failed check.
    """
    from playwright.sync_api import sync_playwright

    pages = {name: folder / file for name, file in TAGS.items()}
    pages |= rendered(folder)
    found: dict[str, Any] = {"bytes": {}, "printed pages": {}}
    (folder / "shots").mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, path in pages.items():
            found["bytes"][name] = path.stat().st_size
            for size, (width, height) in SIZES.items():
                for scheme in ("light", "dark"):
                    with opened.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    ) as context:
                        page = context.new_page()
                        heard = _listen(page, path)
                        page.goto(path.as_uri())
                        page.wait_for_timeout(100)
                        failures += [f"{name}, {size}, {scheme}: {each}" for each in heard]
                        if path.suffix == ".html":
                            wide = page.evaluate("document.documentElement.scrollWidth")
                            if wide > width and name in ("report", "audit"):
                                failures.append(f"{name}, {size}: {wide} pixels wide")
                        if name in ("report", "audit"):
                            shot = folder / "shots" / f"{name}-{size}-{scheme}.png"
                            page.evaluate(WHOLE)
                            page.wait_for_timeout(300)
                            page.evaluate("scrollTo(0, 0)")
                            page.screenshot(path=shot, full_page=True)
            if path.suffix == ".html":
                page = opened.new_page()
                page.goto(path.as_uri())
                printed = page.pdf(format="A4", print_background=True)
                found["printed pages"][name] = len(re.findall(rb"/Type\s*/Page\b", printed))
                page.close()
        found["explorer"] = explored(opened, pages["report"], failures)
        opened.close()
    return found


def rendered(folder: Path) -> dict[str, Path]:
    """Render Markdown tables and model cards to HTML, raw HTML let through; return the pages."""
    from markdown_it import MarkdownIt

    reader, found = MarkdownIt("commonmark", {"html": True}).enable("table"), {}
    cards = [*folder.glob("*/MODEL_CARD.md"), *folder.glob("*/README.md")]
    for path in (*sorted(folder.glob("compare*.md")), *sorted(cards)):
        name = path.stem if path.parent == folder else f"card {path.parent.name}"
        page = folder / f"{name.replace(' ', '-')}.md.html"
        text = reader.render(path.read_text(encoding="utf-8"))
        page.write_text(f'<!doctype html><meta charset="utf-8">{text}', encoding="utf-8")
        found[name] = page
    return found


def explored(opened: Any, path: Path, failures: list[str]) -> dict[str, Any]:
    """Measure first paint and answers of the explorer; try the keyboard."""
    paints, tasks = [], []
    for _ in range(5):
        page = opened.new_page(viewport={"width": 1280, "height": 860})
        page.goto(path.as_uri())
        page.wait_for_timeout(200)
        paints.append(page.evaluate(PAINT))
        page.close()
    page = opened.new_page(viewport={"width": 1280, "height": 860})
    heard = _listen(page, path)
    page.goto(path.as_uri())
    page.locator("#explorer").scroll_into_view_if_needed()
    page.locator("#explorer .tile").first.wait_for()
    tasks.append(page.evaluate(WORKING))
    took = {
        "threshold": page.evaluate(ANSWER, ["threshold", [each / 20 for each in range(20)]]),
        "show": page.evaluate(ANSWER, ["kind", ["alarm", "missed", "found", "changed", "any"] * 3]),
        "order": page.evaluate(ANSWER, ["order", ["low", "near", "high"] * 4]),
    }
    labels = page.locator('#explorer [data-part="label"] option').count()
    took["label"] = page.evaluate(ANSWER, ["label", [each % labels for each in range(1, 13)]])
    _keyboard(page, failures)
    failures += [f"explorer: {each}" for each in heard]
    page.close()
    return {
        "first paint, ms": round(statistics.median(paints)),
        "longest task at the start, ms": round(max(tasks)),
        "answers, ms": {
            name: {"median": round(statistics.median(each)), "worst": round(max(each))}
            for name, each in took.items()
        },
    }


def _keyboard(page: Any, failures: list[str]) -> None:
    def text(part: str) -> str:
        return str(page.locator(f'#explorer [data-part="{part}"]').inner_text())

    slider = page.locator('#explorer [data-part="threshold"]')
    before = text("value")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(150)
    if text("value") == before:
        failures.append("keyboard: the arrow keys do not move the threshold")
    seen = []
    page.locator('#explorer [data-part="member"]').focus()
    for _ in range(8):
        at = page.evaluate("document.activeElement.dataset.part ?? ''")
        seen.append(at)
        page.keyboard.press("Tab")
    wanted = ["member", "label", "threshold", "back", "kind", "order"]
    if seen[: len(wanted)] != wanted:
        failures.append(f"keyboard: Tab went over {seen}")
    canvas = page.locator('#explorer [data-part="map"]')
    if canvas.count():
        canvas.focus()
        page.keyboard.press("ArrowRight")
        first = text("chosen")
        page.keyboard.press("ArrowRight")
        if not first or text("chosen") == first:
            failures.append("keyboard: the arrow keys do not move on the map")
    head = page.locator("#labels table.rows thead button").first
    head.focus()
    page.keyboard.press("Enter")
    if page.locator("#labels th[aria-sort]").count() == 0:
        failures.append("keyboard: Enter does not sort the labels")


def _listen(page: Any, path: Path) -> list[str]:
    heard: list[str] = []

    def dialog(each: Any) -> None:
        heard.append(f"dialog {each.message}")
        each.dismiss()

    def request(each: Any) -> None:
        if not each.url.startswith(("data:", "blob:")) and each.url != path.as_uri():
            heard.append(f"request {each.url[:100]}")

    page.on("dialog", dialog)
    page.on("console", lambda each: heard.append(f"console {each.text[:200]}"))
    page.on("pageerror", lambda each: heard.append(f"error {each}"))
    page.on("request", request)
    return heard
