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
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.errors import ToolkitError
from bench.browsing import look
from bench.page_sets import SETS, Set, write_set
from toolkit.runtime.processor import processor_name
from toolkit.runtime.progress import Progress
from toolkit.storage.artifacts import artifacts_folder

FEW = ("--resamples", 200)
ENGINES = {"pdflatex": "", "xelatex": "\\usepackage{fontspec}\n\\setmainfont{DejaVu Sans}\n"}
_DOCUMENT = (
    "\\documentclass{article}\n%s\\usepackage[margin=1cm]{geometry}\n\\usepackage{booktabs}\n"
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


def walk(chosen: Set, folder: Path) -> Walk:
    """Drive every command through a set."""
    done = Walk(folder, chosen.name)
    labels, split = write_set(chosen, folder / "set"), ("--split", "file")
    given = ("--split-file", folder / "set" / "split.csv")
    done.run("data", "import", labels, "--name", chosen.name, *given, data=False, as_="data import")
    for more in ((), ("--json",)):
        done.run("data", "info", *more)
    done.run("data", "list", data=False)
    exports(done, chosen)
    done.run("embed")
    done.run("embed", "--verify", "--sample", 8)
    many = len(chosen.labels) > 100
    done.run("ovr", *split, "--name", "linear")
    # a tree a label and fold is dear with a thousand labels
    if not many:
        done.run("ovr", "--head", "lightgbm", "--set", "n_estimators=5", *split, "--name", "trees")
    done.run("ovr", "--head", "mlp", "--seeds", 1, *split, "--name", "mlp")
    done.run("ensemble", "--name", "both", *split, *FEW)
    page, said = folder / "audit.html", folder / "audit.json"
    found = done.run("audit", "--permutations", 199, "--html", page, "--json", as_="audit --json")
    said.write_text(found, encoding="utf-8")
    done.run("audit", "--permutations", 199, "--skip-files")
    compared(done, split)
    made = ("--figures", folder / "figures", "--audit", said)
    done.run("report", "--out", folder / "report.html", *split, *FEW, *made, as_="report")
    for argv in (("members",), ("members", "--json"), ("members", "--sort", "name")):
        done.run(*argv)
    some = folder / "set" / "images"
    for out in (("s.csv",), ("s.parquet",), ("b.csv", "--binary"), ("c.tsv", "--course-tsv")):
        if out[0] == "c.tsv" and chosen.ids:
            continue  # the course's file holds image numbers, which these have not
        path, more = folder / out[0], out[1:]
        argv = ("predict", some, "--model", "both", "--out", path, *more)
        done.run(*argv, data=False, as_=f"predict {' '.join(out)}")
    scores = pd.read_csv(folder / "s.csv")
    done.expect(set(chosen.labels) <= set(scores), "predict: CSV lost a label")
    done.run("suggest", "--member", "linear", "--n", 10, "--out", folder / "next.csv", as_="suggest")
    done.run("track", "--to", "tensorboard", "--folder", folder / "tracked", data=False, as_="track")
    for kind in ("bundle", "onnx", "openvino", "hf"):
        argv = ("export", "linear", folder / kind, "--format", kind)
        done.run(*argv, data=False, as_=f"export {kind}")
    return done


def opened(name: str) -> Dataset:
    return open_dataset(name, artifacts_folder(None), Progress())


def exports(done: Walk, chosen: Set) -> None:
    """Write the labels in all formats, read them again, and hold the two together."""
    own = opened(chosen.name)
    for kind, ending in (
        ("csv", "csv"), ("coco", "json"), ("parquet", "parquet"), ("hf", "parquet"),
        ("fiftyone", "json"),
    ):  # fmt: skip
        path = done.folder / "set" / (f"out-{kind}.{ending}" if kind != "fiftyone" else "labels.json")
        done.run("data", "export", "--format", kind, "--out", path, as_=f"data export {kind}")
        argv = ("data", "import", path, "--name", f"{chosen.name}-{kind}")
        done.run(*argv, data=False, as_=f"data import {kind}")
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


def compared(done: Walk, split: tuple[str, str]) -> None:
    """Print the comparison in every form; keep what is looked at afterwards."""
    base = ("compare", *split, *FEW, "--metrics", "all")
    for more in ((), ("--per-label",), ("--pairs",)):
        name = "".join(more).replace("--", "-")
        for kind, ending in (
            ("rich", "txt"), ("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("json", "json"),
        ):  # fmt: skip
            text = done.run(*base, *more, "--format", kind, as_=f"compare {kind}{name}")
            (done.folder / f"compare{name}.{ending}").write_text(text, encoding="utf-8")
    done.run(*base, "--svg", done.folder / "compare.svg", as_="compare --svg")
    done.run("compare", "--part", "development", *split, *FEW, as_="compare development")
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
                f"\\usepackage{{{name}}}\n" for name in ("longtable",) if name in table
            )
            place = done.folder / "tex" / f"{path.stem}-{engine}"
            place.mkdir(parents=True, exist_ok=True)
            (place / "t.tex").write_text(_DOCUMENT % (more, fonts, table), encoding="utf-8")
            command = [engine, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
            ran = subprocess.run(command, cwd=place, capture_output=True, check=False)
            log = ran.stdout.decode("utf-8", "replace")
            if ran.returncode:
                done.failures.append(f"{engine} {path.name}: {log[-400:]}")
            for bad in ("Float too large",):
                done.expect(bad not in log, f"{engine} {path.name}: {bad}")
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
    parser.add_argument("--again", action="store_true", help="look at what is there already")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    document: dict[str, Any] = {
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "shared": "others worked on the machine: seconds of commands are the processor's",
        "sets": {},
    }
    for each in (each for each in SETS if each.name in chosen.only):
        folder = chosen.work.resolve() / each.name
        if not chosen.again:
            shutil.rmtree(folder, ignore_errors=True)
        with artifacts(folder / "artifacts"):
            done = Walk(folder, each.name) if chosen.again else walk(each, folder)
        found: dict[str, Any] = {
            "labels": len(each.labels), "images": each.images, "test images": each.tested,
            "latex pages": typeset(done), **look(done.folder, done.failures),
            "processor seconds": done.seconds, "failures": done.failures,
        }  # fmt: skip
        document["sets"][each.name] = found
        print(json.dumps(found, indent=1, ensure_ascii=False), flush=True)
        if chosen.out:
            chosen.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
