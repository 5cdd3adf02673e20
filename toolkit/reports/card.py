"""Model card: data, metrics, intended use and limits (Mitchell et al. 2019), in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.thresholds import Thresholds
from toolkit.inference.frozen import Pictures, Store
from toolkit.members.member import Member
from toolkit.reports.comparison import member_row

_TITLES = {
    "map": "mean average precision",
    "auroc": "AUROC, mean over labels",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "accuracy": "accuracy (1 - Hamming loss)",
}


def model_card(
    member: Member,
    dataset: Dataset,
    split: Split,
    thresholds: Thresholds,
    stores: Sequence[Store],
    pictures: Sequence[Pictures] = (),
    *,
    resamples: int = 1000,
) -> str:
    """Return the card of a member or an ensemble.

    Args:
        member: what is described.
        dataset: that it was made on.
        split: whose test images it is scored on.
        thresholds: tuned ones.
        stores: embeddings that it needs, for the backbones' names and digests.
        pictures: what its own networks take, and what they started as.
        resamples: of the intervals.

    Raises:
        MemberError: it has no scores for the test images.
    """
    row = member_row(dataset, split, member, resamples=resamples)
    tuned = row.tuned["metrics"] if row.tuned else {}
    facts = member.provenance()
    development = len(split.development)
    lines = [
        f"# {member.name}",
        "",
        f"A {'model' if member.kind != 'ensemble' else 'stack of models'} that gives each image a "
        f"probability for each of {len(dataset.labels)} labels: {member.source}. Made by toolkit "
        f"{facts['toolkit']}, {facts['made'][:10]}.",
        "",
        "## Data",
        "",
        f"- Data set `{dataset.name}` (digest `{dataset.digest[:16]}`): {len(dataset):,} images.",
        f"- Split `{split.name}`: {development:,} development images, {len(split.test):,} test "
        "images that nothing was learned or tuned on.",
        "",
        "| label | positives, development | positives, test | threshold (spread over folds) |",
        "|---|---|---|---|",
    ]
    for at, label in enumerate(dataset.labels):
        low, high = thresholds.spread[at]
        lines.append(
            f"| {_cell(label)} | {int(dataset.Y[split.development, at].sum()):,} "
            f"| {int(dataset.Y[split.test, at].sum()):,} "
            f"| {thresholds.per_label[at]:.3f} ({low:.3f}-{high:.3f}) |"
        )
    lines += [
        "",
        "## Metrics",
        "",
        f"On {row.images:,} test images; intervals are 95 % percentile intervals over "
        f"{resamples:,} resamples of them. Tuned thresholds were fitted for "
        f"{thresholds.objective} on out-of-sample scores of development images.",
        "",
        "| metric | at 0.5 | 95 % | at tuned thresholds |",
        "|---|---|---|---|",
    ]
    for key, title in _TITLES.items():
        pair = row.ci.get(key)
        interval = "–" if pair is None else f"{pair[0]:.3f}-{pair[1]:.3f}"
        lines.append(
            f"| {title} | {_shown(row.metrics[key])} | {interval} | {_shown(tuned.get(key))} |"
        )
    lines += ["", "| label | AP | AUROC | F1 at 0.5 | positives |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(label)} | {_shown(each['ap'])} | {_shown(each['auroc'])} "
        f"| {_shown(each['f1'])} | {each['support']} |"
        for label, each in row.per_label.items()
    ]
    lines += ["", "## Backbones", ""]
    for store in stores:
        backbone = store.key.backbone
        lines.append(
            f"- `{backbone.title}`, weights `{backbone.weights}` (SHA-256 "
            f"`{backbone.digest[:16]}…`), {backbone.preprocess.size} pixels, "
            f"crop {backbone.preprocess.crop}, views {', '.join(store.key.views)}, "
            f"{store.key.precision}"
        )
    for each in pictures:
        backbone = each.backbone
        lines.append(
            f"- `{backbone.title}`, trained from weights `{backbone.weights}` (SHA-256 "
            f"`{backbone.digest[:16]}…`) on pictures and scored at {each.key.size} pixels; its own "
            "weights lie in `members/`"
        )
    rare = [
        label
        for at, label in enumerate(dataset.labels)
        if int(dataset.Y[split.development, at].sum()) < 100
    ]
    lines += [
        "",
        "Weights of frozen backbones that come with the install are named by digest and checked "
        "before the first image; those from a local file lie in `weights/`.",
        "",
        "## Intended use",
        "",
        "Research on multi-label image classification, on photographs like those of the data set. "
        "`toolkit predict --model DIR images --out scores.csv` scores a folder.",
        "",
        "## Limits",
        "",
        "- Probabilities and thresholds hold for images drawn like the development images; on "
        "others they may be off however well the ranking holds.",
        "- A label means what the data set's annotators took it to mean; the model cannot tell "
        "what they left unlabelled from what is not there.",
        "- Scores of single people or uses with consequences for them were never tested.",
    ]
    if rare:
        lines.append(
            f"- With fewer than 100 positives to learn from, take these with care: "
            f"{', '.join(rare)}."
        )
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3f}"
