"""Model card: data, metrics, intended use and limits (Mitchell et al. 2019), in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.thresholds import Thresholds
from toolkit.errors import counted
from toolkit.inference.parity import Parity
from toolkit.inference.scorer import Pictures, Store
from toolkit.members.held_out import Scored, held_out
from toolkit.members.member import Member
from toolkit.pages.escaping import markdown, markdown_line
from toolkit.statistics.intervals import bootstrap_metrics
from toolkit.statistics.metrics import score
from toolkit.statistics.resampling import FEWEST

_TITLES = {
    "map": "mean average precision",
    "auroc": "AUROC, mean over labels",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "accuracy": "accuracy (1 - Hamming loss)",
}
_FEW = 100
_IN_BUNDLE = (
    "Weights of frozen backbones that come with the install are named by digest and checked "
    "before the first image; those from a local file lie in `weights/`.",
)


def model_card(
    member: Member,
    dataset: Dataset,
    split: Split,
    thresholds: Thresholds,
    stores: Sequence[Store],
    pictures: Sequence[Pictures] = (),
    *,
    graph: Sequence[str] = (),
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
        graph: of an exported graph, what :func:`graph_section` returns.
        resamples: of the intervals.

    Raises:
        MemberError: it has no scores for the test images.
    """
    facts, scored = member.provenance(), held_out(dataset, split, member)
    positives = (dataset.Y[split.development] == 1).sum(axis=0)
    rare = [label for label, count in zip(dataset.labels, positives, strict=True) if count < _FEW]
    lines = [
        f"# {markdown(member.name)}",
        "",
        f"A {'model' if member.kind != 'ensemble' else 'stack of models'} that gives each image a "
        f"probability for each of {counted(len(dataset.labels), 'label')}: "
        f"{markdown(member.source)}. Made by toolkit {facts['toolkit']}, {facts['made'][:10]}.",
        "",
        "## Data",
        "",
        f"- Data set `{dataset.name}` (digest `{dataset.digest[:16]}`): {len(dataset):,} images.",
        f"- Split `{split.name}`: {len(split.development):,} development images, "
        f"{len(split.test):,} test images that nothing was learned or tuned on.",
        *_unknown(dataset),
        "",
        *_table(
            "label", "positives, development", "positives, test", "threshold",
            "least and greatest with a fold left out",
        ),
    ]  # fmt: skip
    for at, label in enumerate(dataset.labels):
        low, high = thresholds.spread[at]
        tested = int((dataset.Y[split.test, at] == 1).sum())
        cells = (f"{positives[at]:,}", f"{tested:,}", f"{thresholds.per_label[at]:.3f}")
        lines.append(markdown_line([label, *cells, f"{low:.3f} to {high:.3f}"]))
    lines += [
        "",
        "## Metrics",
        "",
        f"On {len(scored.rows):,} test images; 95 % intervals are for the population "
        f"that they are drawn from, by {resamples:,} resamples of them; a mean over labels of "
        f"which one has fewer than {FEWEST} positives has none. Tuned thresholds were fitted for "
        f"{thresholds.objective} on out-of-sample scores of development images.",
        "",
        *_metrics(scored, dataset.labels, thresholds, resamples),
        "",
        "## Backbones",
        "",
        *_backbones(stores, pictures, "the graph" if graph else "`members/`"),
        "",
        *(graph or _IN_BUNDLE),
        "",
        "## Intended use",
        "",
        "Research on multi-label image classification, on photographs like those of the data set. "
        "`toolkit predict --model DIR images --out scores.csv` scores a folder; in Python, "
        "`toolkit.load_model(DIR).predict(images)`.",
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
            f"- With fewer than {_FEW} positives to learn from, take these with care: "
            f"{', '.join(map(markdown, rare))}."
        )
    # a label that reads as an address would become a link where Markdown is shown
    return ("\n".join(lines) + "\n").replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def _unknown(dataset: Dataset) -> Iterator[str]:
    if dataset.unknown.any():
        yield (
            f"- {dataset.unknown.mean():.1%} of the labels' cells are unknown; they count in no "
            "figure here."
        )


def _metrics(
    scored: Scored, labels: Sequence[str], thresholds: Thresholds, resamples: int
) -> Iterator[str]:
    plain = score(scored.truth, scored.scores, labels=labels)
    tuned = score(scored.truth, scored.scores, thresholds.per_label).metrics
    intervals = bootstrap_metrics(scored.truth, scored.scores, resamples=resamples)
    yield from _table("metric", "at 0.5", "95 % interval", "at tuned thresholds")
    for key, title in _TITLES.items():
        pair = intervals[key]
        interval = "–" if pair is None else f"{pair[0]:.3f} to {pair[1]:.3f}"
        yield markdown_line([title, _shown(plain.metrics[key]), interval, _shown(tuned[key])])
    yield ""
    yield from _table("label", "AP", "AUROC", "F1 at 0.5", "positives")
    for label, each in plain.per_label.items():
        cells = [_shown(each[key]) for key in ("ap", "auroc", "f1")]
        yield markdown_line([label, *cells, str(each["support"])])


def graph_section(
    parity: Parity, format: str, precision: str, licences: Mapping[str, str], made: str
) -> list[str]:
    """Return the lines about an exported graph: what it holds, and how near to the member it is.

    Args:
        parity: as measured.
        format: of the folder.
        precision: of the weights.
        licences: of the weights, by backbone.
        made: opset and producer, in words.
    """
    runtime = "OpenVINO" if format == "openvino" else "ONNX Runtime"
    lines = [
        f"All weights lie in the graph, as {precision}. Licences of the weights: "
        + "; ".join(f"`{name}`: {markdown(each)}" for name, each in licences.items())
        + ".",
        "",
        "## Exported graph",
        "",
        f"Pictures to calibrated probabilities in one graph ({made}), run with {runtime}. On "
        f"{parity.images} {markdown(parity.drawn_from)} its probabilities differ from those of the "
        f"member's own models in fp32 by at most {parity.difference:.1e} ({parity.limit:g} is "
        f"allowed), and {parity.decided_otherwise} of {parity.decisions:,} decisions at the tuned "
        "thresholds differ.",
    ]
    if parity.branches:
        lines[-1] += (
            f" {parity.branches} differ by more than that is: where a feature lies within rounding "
            "of a tree's split, the tree takes another branch."
        )
    if parity.predict_difference is not None:
        lines[-1] += (
            f" From `toolkit predict`, whose embeddings may be rounded, they differ by at most "
            f"{parity.predict_difference:.1e}, and {parity.predict_decided_otherwise} decisions do."
        )
    return lines


def _backbones(stores: Sequence[Store], pictures: Sequence[Pictures], own: str) -> Iterator[str]:
    for store in stores:
        backbone = store.key.backbone
        yield (
            f"- `{backbone.title}`, weights `{_code(backbone.weights)}` (SHA-256 "
            f"`{backbone.digest[:16]}…`), {backbone.preprocess.size} pixels, "
            f"crop {backbone.preprocess.crop}, views {', '.join(store.key.views)}, "
            f"{store.key.precision}"
        )
    for each in pictures:
        backbone = each.backbone
        yield (
            f"- `{backbone.title}`, trained from weights `{_code(backbone.weights)}` (SHA-256 "
            f"`{backbone.digest[:16]}…`) on pictures and scored at {each.key.size} pixels; its own "
            f"weights lie in {own}"
        )


def _code(text: str) -> str:
    """Return what may stand between backticks."""
    return " ".join(text.replace("`", "'").split())


def _table(*heads: str) -> list[str]:
    return [markdown_line(heads), "|" + "---|" * len(heads)]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
