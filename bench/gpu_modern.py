"""Phase d: networks fine-tuned over folds with today's recipe, stacked with frozen heads."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from bench.gpu_phases import Found, Record
from bench.gpu_setup import STAND_IN, Setting

_STACK = 8.0  # seconds that a stack takes


def run(setting: Setting, record: Record) -> None:
    """Show the smallest network whole, with its stack; then the others, and the stack of all."""
    names = [f"efficientnet_lite{n}" for n in (0, 1, 2)]
    sides = (128, 224)
    if setting.small:
        names, sides = [STAND_IN], (32, 64)
    names = [name for name in names if setting.small or setting.weights_of(name) != "none"]
    expected, shown = 5.0, 0
    for number, side in enumerate(sides):
        for name in names:
            if not number:
                step = f"heads {name}"
                if not made(setting, f"mlp-{_short(name)}"):
                    record.forget(step)
                head = record.step(step, partial(heads, setting, name), needs=5, limit=40)
                shown += head is not None
            # the next is larger than the last: it is begun where there is time for it and a stack
            step = f"finetune {name} {side}"
            if not made(setting, f"finetuned-{_short(name)}-{side}"):
                record.forget(step)
            found = record.step(
                step,
                partial(finetuned, setting, name, side),
                needs=expected + _STACK,
                limit=max(1.0, record.left() - _STACK),
            )
            if found is not None:
                expected, shown = 1.5 * found["seconds"], shown + 1
                if shown == 2:
                    record.step("stack of two", partial(stacked, setting, "stack-of-two"), limit=20)
    if shown > 2:
        record.step("stack of all", partial(stacked, setting, "stack-of-all"), needs=3, limit=30)


def made(setting: Setting, name: str) -> bool:
    """Tell whether a member is there."""
    return (setting.artifacts / "members" / name).is_dir()


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


def stacked(setting: Setting, name: str) -> Found:
    """Stack all members of this phase; the best of them alone stands beside it."""
    import toolkit as tk

    started = time.perf_counter()
    stack = tk.ensemble(
        "mlp-*,finetuned-*",
        setting.dataset,
        method="stack",
        resamples=50 if setting.small else 1000,
        folds=2 if setting.small else 5,
        name=name,
        artifacts=setting.artifacts,
    )
    found = scored(setting, stack, time.perf_counter() - started)
    return found
