"""Phase c: the rows of the paper's tables, published and corrected, with seconds a row."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.gpu_phases import Found, Record
from bench.gpu_setup import STAND_IN, Setting

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset

_WHOLE = "the whole by addition"
_SOME = 3_000  # that a network's rate is measured on
_EPOCHS = 4
_IMAGES = 18_000  # that the whole is reckoned for
# a network's step relative to AlexNet's, roughly: what is cheap comes first
_COST = {"alexnet": 1.0, "squeezenet1_0": 1.5, "basic_cnn": 1.5, "efficientnet_lite0": 2.0}
_DEAR = 6.0


def run(setting: Setting, record: Record) -> None:
    """Time one epoch of each network, then run whole rows, cheapest first."""
    runs = wanted()
    rates: dict[str, float] = {}
    for backbone in dict.fromkeys(run["backbone"] for run in runs):
        rows = [run for run in runs if run["backbone"] == backbone and run["trains"]]
        if rows:
            found = record.step(
                f"epoch {backbone}", partial(epoch, setting, rows[0]), needs=10, limit=60
            )
            if found is not None:
                rates[backbone] = found["seconds_an_epoch_and_image"]
    seconds = {
        named(run): rates[run["backbone"]] * run["epochs"] * _IMAGES
        for run in runs
        if run["backbone"] in rates
    }
    added(record, runs, seconds)
    for run in sorted(runs, key=lambda run: run["cost"]):
        epochs = 1 if setting.small else run["epochs"]
        expected = rates.get(run["backbone"], 0) * epochs * len(setting.dataset)
        needs = 5 + 1.3 * expected
        limit = min(20 + 2 * needs, max(1.0, record.left() - 3))
        found = record.step(named(run), partial(row, setting, run), needs=needs, limit=limit)
        if found is not None:
            seconds[named(run)] = found["seconds"] * _IMAGES / max(1, found["images"])
            added(record, runs, seconds)


def named(run: dict[str, Any]) -> str:
    """Return the name of a row's step."""
    return f"{run['row']} {run['protocol']} {run['backbone']}"


def added(record: Record, runs: list[dict[str, Any]], seconds: dict[str, float]) -> None:
    """Add up anew what is known by now, so that a kill costs one row at most."""
    record.forget(_WHOLE)
    record.step(_WHOLE, partial(whole, runs, seconds), limit=5)


def wanted() -> list[dict[str, Any]]:
    """Return the table rows' training runs, their own networks and Lite0 in their place."""
    from toolkit.finetuning.protocols import backbone_of, canonical, settings_for
    from toolkit.paper.results import RESULTS

    keys = [key for key in RESULTS if key.startswith("table")]
    runs = []
    for key in dict.fromkeys(canonical(key) for key in keys):
        for protocol in ("corrected", "published"):
            how = settings_for(protocol, key)
            trains = how.pretrain == "finetune" and how.epochs > 0
            for backbone in dict.fromkeys([backbone_of(RESULTS[key]), "efficientnet_lite0"]):
                passes = how.epochs if trains else 1
                cost = _COST.get(backbone, _DEAR) * passes
                runs.append(
                    {
                        "row": key,
                        "protocol": protocol,
                        "backbone": backbone,
                        "epochs": passes,
                        "trains": trains,
                        "cost": cost,
                        "scratch": RESULTS[key].pretrain == "scratch",
                    }
                )
    return runs


def _some(setting: Setting) -> Dataset:
    """Return some of the photographs, enough for a steady rate."""
    whole = setting.dataset
    count = min(len(whole), _SOME)
    parts: dict[str, Any] = {
        name: getattr(whole, name)[:count]
        for name in ("ids", "files", "Y", "digests", "stats", "shapes", "modes", "parts")
    }
    return replace(whole, name=f"{whole.name}-some", **parts)


def _trained(setting: Setting, run: dict[str, Any], **more: Any) -> tuple[Any, float]:
    import toolkit as tk

    weights = setting.weights_of(run["backbone"])
    options: dict[str, Any] = {"backbone": run["backbone"], "size": None}
    if setting.small:
        options = {"backbone": STAND_IN, "size": 32 if run["trains"] else None, "epochs": 1}
        weights = "none"
    if run["scratch"]:
        weights = "none"
    name = "-".join((run["row"], run["protocol"], run["backbone"])).replace("/", "-")
    started = time.perf_counter()
    more = {"name": name} | more
    member = tk.finetune(
        **({"data": setting.dataset} | options | more),
        row=run["row"],
        protocol=run["protocol"],
        weights=weights,
        device=setting.device,
        artifacts=setting.artifacts,
        tensorboard=False,
    )
    return member, time.perf_counter() - started


def epoch(setting: Setting, run: dict[str, Any]) -> Found:
    """Time the last of some epochs over some images, as many as steps are captured for."""
    name = f"epoch-{run['backbone']}".replace("/", "-")
    member, seconds = _trained(setting, run, epochs=_EPOCHS, name=name, data=_some(setting))
    (history,) = member.provenance()["history"].values()
    last = history[-1]
    each = last["seconds"] / max(1.0, last["seconds"] * last["images_per_second"])
    return {
        "images_per_second": last["images_per_second"],
        "seconds_an_epoch_and_image": each,
        "seconds": round(seconds, 2),
        "line": f"{last['images_per_second']:,.0f} images/s in training ({member.source})",
    }


def row(setting: Setting, run: dict[str, Any]) -> Found:
    """Train and measure one row."""
    member, seconds = _trained(setting, run)
    measured = member.notes()["measured"]
    figures = measured[run["row"]]
    told = ", ".join(
        f"{short} {figures[name]:.3f}"
        for short, name in (("accuracy", "accuracy"), ("mAP", "map"))
        if figures.get(name) is not None
    )
    return {
        "seconds": round(seconds, 2),
        "images": len(setting.dataset),
        "made_from": member.source,
        "measured": {
            key: {name: value for name, value in found.items() if name != "per_label"}
            for key, found in measured.items()
        },
        "line": f"{told} ({member.source})",
    }


def whole(runs: list[dict[str, Any]], seconds: dict[str, float]) -> Found:
    """Add up: measured rows as they were, others from their network's epoch."""
    own = [named(run) for run in runs if run["backbone"] != "efficientnet_lite0"]
    known = [name for name in own if name in seconds]
    total = sum(seconds[name] for name in known)
    return {
        "rows": len(own),
        "known": len(known),
        "seconds_for_18000_images": round(total),
        "targets": {"all rows under an hour": len(known) == len(own) and total < 3600},
        "line": f"{len(known)} of {len(own)} runs known: {total:.0f} s for {_IMAGES:,} images",
    }
