"""toolkit audit: do these labels describe these images, and what else is wrong with the data?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.audit_tables import alignment_table, findings_table, published_table
from toolkit.cli.embed import (
    CropOption,
    PoolingOption,
    ViewsOption,
    WeightsOption,
    fill,
    finish,
    make_key,
)
from toolkit.cli.options import (
    ArtifactsOption,
    DataOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    QuietOption,
    Run,
    SeedOption,
    SplitOption,
)

if TYPE_CHECKING:
    import numpy as np

    from toolkit.data.dataset import Dataset
    from toolkit.features.cache import CacheKey
    from toolkit.images.hashes import Survey

_STAGES = 6


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(audit)


def audit(
    features: Annotated[
        str, typer.Option("--features", help="Backbones, comma-separated; set side by side.")
    ] = "efficientnet_lite0",
    paper: Annotated[
        bool, typer.Option("--paper", help="Judge the paper's printed rows; needs no data.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures.")
    ] = None,
    group_duplicates: Annotated[
        bool,
        typer.Option(
            "--group-duplicates",
            help="Keep a split named grouped that tears no duplicates apart, nor do its folds.",
        ),
    ] = False,
    skip_files: Annotated[
        bool,
        typer.Option(
            "--skip-files", help="Decode no files: no duplicates, no damaged files are found."
        ),
    ] = False,
    permutations: Annotated[
        int | None,
        typer.Option(
            "--permutations",
            min=99,
            help="Of the alignment test. Default: so many that each label can reach p = 0.001 "
            "after Holm, within reason.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many of the likeliest label errors to list.")
    ] = 50,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a finding is critical.")
    ] = False,
    weights: WeightsOption = "default",
    views: ViewsOption = "original",
    pooling: PoolingOption = "default",
    crop: CropOption = "center",
    split: SplitOption = "paper",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    seed: SeedOption = 0,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tell whether labels describe their images; find duplicates, label errors and bad files."""
    run = Run.start(artifacts, json, quiet)
    if paper:
        _audit_paper(run, html, strict)
        return
    from toolkit.auditing.alignment import enough_permutations, testable
    from toolkit.auditing.examine import examine
    from toolkit.auditing.findings import worst
    from toolkit.data.split_store import get_folds, get_split, keep_grouped_split
    from toolkit.errors import UsageError
    from toolkit.runtime.device import choose_device

    backbones = [backbone.strip() for backbone in features.split(",") if backbone.strip()]
    if not backbones:
        raise UsageError("--features names no backbone")
    if group_duplicates and skip_files:
        raise UsageError("--group-duplicates looks at the files: leave --skip-files out")
    dataset = run.dataset(data)
    part = get_split(dataset, split, run.artifacts)
    made = [
        make_key(run, each, weights, views, pooling, crop, device, precision, seed=seed)
        for each in backbones
    ]
    results = [fill(run, dataset, each, device=device) for each in made]
    looks = None if skip_files else _survey(run, dataset)
    testing = int(testable(dataset.Y).sum())
    with run.progress("auditing") as (start, advance):
        start(_STAGES)
        examined = examine(
            dataset,
            _embeddings(run, dataset, [key for key, _ in made]),
            part,
            folds=get_folds(dataset, part, run.artifacts),
            looks=looks,
            prevalence=_published_shares(dataset),
            permutations=permutations or enough_permutations(len(dataset), max(1, testing)),
            top=top,
            each=_each(len(dataset.labels)),
            seed=seed,
            device="cuda" if choose_device(device) == "cuda" else "cpu",
            on_stage=lambda stage: advance(1),
        )
    found = examined.alignment
    facts: dict[str, Any] = {"features": " + ".join(backbones), "split": split}
    if found is not None:
        facts["permutations"] = f"{found.permutations:,}"
    facts["seconds"] = f"{sum(examined.seconds.values()):.1f}"
    if html is not None:
        from toolkit.auditing.html import audit_page
        from toolkit.pages.page import write_page

        write_page(audit_page(examined, dataset, part, facts), html)
    if group_duplicates and examined.duplicates is not None:
        keep_grouped_split(dataset, examined.duplicates.groups, run.artifacts)
        run.say("kept the split 'grouped': use it with --split grouped")
    if run.json:
        run.emit(
            {
                "dataset": dataset.name,
                "images": len(dataset),
                "features": backbones,
                "split": split,
                "verdict": None if found is None else found.verdict,
                "worst": worst(examined.findings),
                **examined.facts(),
                "html": None if html is None else str(html),
            }
        )
    else:
        run.show(findings_table(examined.findings))
        if found is not None:
            run.show(alignment_table(found))
        about = f"{dataset.name}: {len(dataset):,} images; " + ", ".join(
            f"{name} {value}" for name, value in facts.items()
        )
        run.show(about if html is None else f"{about}; page: {html}")
    _leave(strict, worst(examined.findings))
    for result in results:
        finish(run, result)


def _audit_paper(run: Run, html: Path | None, strict: bool) -> None:
    from toolkit.auditing.findings import ranked, worst
    from toolkit.auditing.published import published_findings, published_rows

    rows = published_rows()
    findings = ranked(published_findings(rows))
    if html is not None:
        from toolkit.auditing.html import published_page
        from toolkit.pages.page import write_page

        write_page(published_page(findings, rows), html)
    if run.json:
        run.emit({"findings": [found.facts() for found in findings], "rows": rows})
    else:
        run.show(findings_table(findings), published_table(rows))
    _leave(strict, worst(findings))


def _leave(strict: bool, gravest: str) -> None:
    if strict and gravest == "critical":
        raise typer.Exit(1)


def _survey(run: Run, dataset: Dataset) -> Survey:
    from toolkit.images.hashes import survey

    with run.progress("decoding") as (start, advance):
        start(len(dataset))
        return survey(dataset.paths, advance)


def _embeddings(run: Run, dataset: Dataset, keys: list[CacheKey]) -> np.ndarray:
    """One row an image, in the data set's order; NaN where there is no embedding."""
    import numpy as np

    from toolkit.features.matrix import gather

    matrix = gather(dataset.digests, keys, run.artifacts)
    X = np.full((len(dataset), matrix.X.shape[1]), np.nan, np.float32)
    X[matrix.rows] = matrix.X
    return X


def _published_shares(dataset: Dataset) -> dict[str, float] | None:
    """Shares of positives in the paper's corpus, for data with just its labels."""
    from toolkit.paper.results import IMAGES, POSITIVES

    if set(dataset.labels) != set(POSITIVES):
        return None
    return {label: count / IMAGES for label, count in POSITIVES.items()}


def _each(labels: int) -> int:
    """How many pictures of each label a page of bounded size has room for."""
    return max(2, min(12, 400 // labels))
