"""Every command and format on hostile, one, 80 and 1,000 labels; then pages, tables and cards.

    python -m bench.pages --work FOLDER [--only hostile one] [--out docs/results/pages.json]

Runs the command line inside this process, so seconds leave out the start of Python. Each
set's LaTeX is compiled, and its report, its audit, and its Markdown and model card rendered to
HTML with raw HTML let through are opened in Chromium: a dialog, an error in the console or a
request to anywhere is a failure. Pages are printed to PDF and their pages counted. Needs
playwright, Chromium, pdflatex and xelatex.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from bench.browsing import look
from bench.page_sets import SETS, Set, write_set
from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.errors import ToolkitError
from toolkit.runtime.processor import processor_name
from toolkit.runtime.progress import Progress
from toolkit.storage.artifacts import artifacts_folder

FEW, SPLIT = ("--resamples", 200), ("--split", "file")
ENGINES = {"pdflatex": "", "xelatex": "\\usepackage{fontspec}\n\\setmainfont{DejaVu Sans}\n"}
_DOCUMENT = (
    "\\documentclass{article}\n%s\\usepackage[margin=2.5cm]{geometry}\n\\usepackage{booktabs}\n"
    "%s\\begin{document}\n%s\n\\end{document}\n"
)


class Walk:
    """The commands of one set, and what became of them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.seconds: dict[str, float] = {}
        self.failures: list[str] = []

    def run(self, *argv: object, data: bool = True, as_: str = "") -> str:
        """Run a command; return what it printed. Another end than 0 and a warning are failures."""
        from toolkit.cli import main

        words = [str(each) for each in argv] + (["--data", self.name] if data else [])
        short = as_ or " ".join(map(str, argv))
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        began = time.process_time()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.object(sys, "argv", ["toolkit", *words, "--debug"]),
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code
            except Exception as error:
                code = f"{type(error).__name__}: {error}"
        self.seconds[short] = round(time.process_time() - began, 2)
        said = err.getvalue()
        if code not in (0, None):
            self.failures.append(f"{short}: {code} {said[-300:]}")
        elif "Warning" in said or "Traceback" in said:
            self.failures.append(f"{short}: {said[-300:]}")
        return out.getvalue()

    def expect(self, holds: bool, what: str) -> None:
        """Keep a failure unless something holds."""
        if not holds:
            self.failures.append(what)


def make(done: Walk, chosen: Set) -> None:
    """Drive a set through every command that makes something."""
    labels, given = write_set(chosen, done.folder / "set"), done.folder / "set" / "split.csv"
    argv: tuple[object, ...] = ("data", "import", labels, "--name", chosen.name)
    done.run(*argv, "--split-file", given, data=False, as_="data import")
    for more in ((), ("--json",)):
        done.run("data", "info", *more)
    done.run("data", "list", data=False)
    exports(done, chosen)
    done.run("embed")
    done.run("embed", "--verify", "--sample", 8)
    done.run("ovr", *SPLIT, "--name", "linear", as_="ovr linear")
    if len(chosen.labels) <= 100:  # trees of each label and fold are dear with a thousand labels
        argv = ("ovr", "--head", "lightgbm", "--set", "n_estimators=5", *SPLIT)
        done.run(*argv, "--name", "trees", as_="ovr lightgbm, 5 trees")
    done.run("ovr", "--head", "mlp", "--seeds", 1, *SPLIT, "--name", "mlp", as_="ovr mlp, 1 seed")
    done.run("ensemble", "--name", "both", *SPLIT, *FEW, as_="ensemble")
    some = done.folder / "set" / "images"
    for out in (("s.csv",), ("s.parquet",), ("b.csv", "--binary"), ("c.tsv", "--course-tsv")):
        if out[0] == "c.tsv" and chosen.ids:
            continue  # the course's file holds image numbers, which these have not
        argv = ("predict", some, "--model", "both", "--out", done.folder / out[0], *out[1:])
        done.run(*argv, data=False, as_=f"predict {' '.join(out)}")
    scores = pd.read_csv(done.folder / "s.csv")
    done.expect(set(chosen.labels) <= set(scores), "predict: CSV lost a label")
    argv = ("suggest", "--member", "linear", "--n", 10, "--out", done.folder / "next.csv")
    done.run(*argv, as_="suggest")
    argv = ("track", "--to", "tensorboard", "--folder", done.folder / "tracked")
    done.run(*argv, data=False, as_="track")
    for kind in ("bundle", "onnx", "openvino", "hf"):
        argv = ("export", "linear", done.folder / kind, "--format", kind)
        done.run(*argv, data=False, as_=f"export {kind}")


def show(done: Walk) -> None:
    """Drive a set through every command that shows what was made."""
    page, said = done.folder / "audit.html", done.folder / "audit.json"
    audit = ("audit", *SPLIT, "--permutations", 199)
    found = done.run(*audit, "--html", page, "--json", as_="audit --json")
    said.write_text(found, encoding="utf-8")
    done.run(*audit, "--skip-files", as_="audit")
    compared(done)
    made = ("--figures", done.folder / "figures", "--audit", said)
    done.run("report", "--out", done.folder / "report.html", *SPLIT, *FEW, *made, as_="report")
    for argv in (("members",), ("members", "--json"), ("members", "--sort", "name")):
        done.run(*argv)


def opened(name: str) -> Dataset:
    return open_dataset(name, artifacts_folder(None), Progress())


def exports(done: Walk, chosen: Set) -> None:
    """Write the labels in all formats, read them again, and hold the two together."""
    own = opened(chosen.name)
    for kind, ending in (
        ("csv", "csv"), ("coco", "json"), ("parquet", "parquet"), ("hf", "parquet"),
        ("fiftyone", "json"),
    ):  # fmt: skip
        path = (
            done.folder / "set" / (f"out-{kind}.{ending}" if kind != "fiftyone" else "labels.json")
        )
        done.run("data", "export", "--format", kind, "--out", path, as_=f"data export {kind}")
        into = ("--name", f"{chosen.name}-{kind}")
        done.run("data", "import", path, *into, data=False, as_=f"data import {kind}")
        try:
            again = opened(f"{chosen.name}-{kind}")
        except ToolkitError as error:
            done.failures.append(f"{kind}: {error}")
            continue
        at = {image: row for row, image in enumerate(again.ids)}
        same = sorted(again.ids) == sorted(own.ids) and sorted(again.labels) == sorted(own.labels)
        done.expect(same, f"data export {kind}: other images or labels came back")
        if same:
            columns = [again.labels.index(label) for label in own.labels]
            back = again.Y[[at[image] for image in own.ids]][:, columns]
            done.expect(bool((back == own.Y).all()), f"data export {kind}: other cells came back")
    done.run("data", "info", as_="data info again")


def compared(done: Walk) -> None:
    """Print the comparison in every form; keep what is looked at afterwards."""
    base = ("compare", *SPLIT, *FEW, "--metrics", "all")
    for more in ((), ("--per-label",), ("--pairs",)):
        name = "".join(more).replace("--", "-")
        for kind, ending in (
            ("rich", "txt"), ("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("json", "json"),
        ):  # fmt: skip
            text = done.run(*base, *more, "--format", kind, as_=f"compare {kind}{name}")
            (done.folder / f"compare{name}.{ending}").write_text(text, encoding="utf-8")
    done.run(*base, "--svg", done.folder / "compare.svg", as_="compare --svg")
    done.run("compare", "--part", "development", *SPLIT, *FEW, as_="compare development")
    flat = pd.read_csv(done.folder / "compare-per-label.csv")
    facts = json.loads((done.folder / "compare.json").read_text(encoding="utf-8"))
    own = {row["name"]: row for row in facts["rows"]}
    kept = [
        value == own[name]["per_label"][label.removeprefix("'")]["ap"]
        for name, label, value in zip(flat["name"], flat["label"], flat["ap"], strict=True)
        if label.removeprefix("'") in own[name]["per_label"] and value == value
    ]
    done.expect(bool(kept) and all(kept), "compare: pandas reads other numbers from the CSV")


def typeset(done: Walk) -> dict[str, int]:
    """Compile the tables; return the pages of each and engine. pdflatex takes Latin names only."""
    pages = {}
    for path in sorted(done.folder.glob("compare*.tex")):
        table = path.read_text(encoding="utf-8")
        for engine, fonts in ENGINES.items():
            if engine == "pdflatex" and "XeLaTeX" in table:
                continue
            more = "".join(
                f"\\usepackage{{{name}}}\n" for name in ("longtable", "graphicx") if name in table
            )
            place = done.folder / "tex" / f"{path.stem}-{engine}"
            place.mkdir(parents=True, exist_ok=True)
            (place / "t.tex").write_text(_DOCUMENT % (more, fonts, table), encoding="utf-8")
            command = [engine, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
            ran = subprocess.run(command, cwd=place, capture_output=True, check=False)
            log = ran.stdout.decode("utf-8", "replace")
            if ran.returncode:
                done.failures.append(f"{engine} {path.name}: {log[-400:]}")
            wide = [float(each) for each in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
            done.expect(max(wide, default=0) < 5, f"{engine} {path.name}: {wide} pt too wide")
            done.expect("Float too large" not in log, f"{engine} {path.name}: longer than a page")
            pages[f"{path.stem} {engine}"] = int(log.rpartition(" page")[0].rpartition("(")[2] or 0)
    return pages


@contextlib.contextmanager
def artifacts(folder: Path) -> Iterator[None]:
    """Keep everything under a folder."""
    with mock.patch.dict(os.environ, {"TOOLKIT_ARTIFACTS": str(folder), "COLUMNS": "80"}):
        yield


def main() -> None:
    """Walk each set, look at what came, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="a folder of its own")
    parser.add_argument("--only", nargs="+", default=[each.name for each in SETS])
    parser.add_argument("--again", action="store_true", help="make nothing, show what is there")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    document: dict[str, Any] = {
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "shared": "others worked on the machine: seconds of commands are the processor's",
        "sets": {},
    }
    if chosen.out and chosen.out.exists():
        document["sets"] = json.loads(chosen.out.read_text(encoding="utf-8"))["sets"]
    for each in (each for each in SETS if each.name in chosen.only):
        folder = chosen.work.resolve() / each.name
        if not chosen.again:
            shutil.rmtree(folder, ignore_errors=True)
        with artifacts(folder / "artifacts"):
            done = Walk(folder, each.name)
            if not chosen.again:
                make(done, each)
            show(done)
        found: dict[str, Any] = {
            "labels": len(each.labels), "images": each.images, "test images": each.tested,
            "latex pages": typeset(done), **look(done.folder, done.failures),
            "processor seconds": done.seconds, "failures": done.failures,
        }  # fmt: skip
        if chosen.again:  # what making took is still true
            before = document["sets"].get(each.name, {}).get("processor seconds", {})
            found["processor seconds"] = before | done.seconds
        document["sets"][each.name] = found
        print(json.dumps(found, indent=1, ensure_ascii=False), flush=True)
        if chosen.out:
            chosen.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
