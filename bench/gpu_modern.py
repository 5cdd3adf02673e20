"""Phase d: networks fine-tuned over folds with today's recipe, stacked with frozen heads."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from bench.gpu_phases import Found, Record
from bench.gpu_setup import STAND_IN, Setting


def run(setting: Setting, record: Record) -> None:
    """Fine-tune the smallest first; stack whatever is there."""
    names = [f"efficientnet_lite{n}" for n in (0, 1, 2)]
    sides = (128, 224)
    if setting.small:
        names, sides = [STAND_IN], (32, 64)
    names = [name for name in names if setting.small or setting.weights_of(name) != "none"]
    for name in names:
        record.step(f"heads {name}", partial(heads, setting, name), needs=5)
    expected = 5.0
    for side in sides:
        for name in names:
            # the next is larger than the last: it is begun where twice that is left
            found = record.step(
                f"finetune {name} {side}", partial(finetuned, setting, name, side), needs=expected
            )
            expected = 2 * found["seconds"] if found is not None else expected
    record.step("stack", partial(stacked, setting), needs=3)


def _common(setting: Setting) -> dict[str, Any]:
    folds = 2 if setting.small else 5
    return {"folds": folds, "device": setting.device, "artifacts": setting.artifacts}


def _short(name: str) -> str:
    return name.rpartition("/")[2].replace("_", "-")


def scored(setting: Setting, member: Any, seconds: float) -> Found:
    """Return test figures of a member with intervals."""
    import toolkit as tk

    table = tk.compare(
        setting.dataset,
        [member],
        paper=False,
        kind=member.kind,
        resamples=50 if setting.small else 1000,
        artifacts=setting.artifacts,
    )
    (row,) = [row for row in table.facts()["rows"] if row["name"] == member.name]
    figures, ci = row["metrics"], row["ci"] or {}

    def told(name: str) -> str:
        value, pair = figures.get(name), ci.get(name)
        if value is None:
            return "none"
        return f"{value:.3f}" + (f" [{pair[0]:.3f}, {pair[1]:.3f}]" if pair else "")

    return {
        "seconds": round(seconds, 2),
        "metrics": figures,
        "ci": ci,
        "line": f"mAP {told('map')}, micro-F1 {told('micro_f1')}",
    }


def heads(setting: Setting, name: str) -> Found:
    """Fit an MLP head on frozen features."""
    import toolkit as tk

    started = time.perf_counter()
    member = tk.ovr(
        setting.dataset,
        "mlp",
        features=[name],
        weights="none" if setting.small else setting.weights_of(name),
        set={"epochs": 1} if setting.small else None,
        name=f"mlp-{_short(name)}",
        **_common(setting),
    )
    return scored(setting, member, time.perf_counter() - started)


def finetuned(setting: Setting, name: str, side: int) -> Found:
    """Fine-tune over folds."""
    import toolkit as tk

    started = time.perf_counter()
    member = tk.finetune(
        setting.dataset,
        name,
        size=side,
        epochs=1 if setting.small else None,
        weights="none" if setting.small else setting.weights_of(name),
        name=f"finetuned-{_short(name)}-{side}",
        tensorboard=False,
        **_common(setting),
    )
    found = scored(setting, member, time.perf_counter() - started)
    rates = [epochs[-1]["images_per_second"] for epochs in member.provenance()["history"].values()]
    found["images_per_second"] = rates
    found["line"] += f", {max(rates):,.0f} images/s"
    return found


def stacked(setting: Setting) -> Found:
    """Stack all members of this phase; the best of them alone stands beside it."""
    import toolkit as tk

    started = time.perf_counter()
    stack = tk.ensemble(
        "mlp-*,finetuned-*",
        setting.dataset,
        method="stack",
        resamples=50 if setting.small else 1000,
        folds=2 if setting.small else 5,
        name="stack-of-all",
        artifacts=setting.artifacts,
    )
    found = scored(setting, stack, time.perf_counter() - started)
    return found
