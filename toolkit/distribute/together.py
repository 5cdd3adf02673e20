"""Together: one function in several processes at once, which talk to each other by torch.

Ray Train starts them, gives each its cores or its graphics card, joins them to a process group,
and starts all of them again where one was lost.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolkit.distribute.place import HERE, import_ray
from toolkit.distribute.worker import check_version, portable, use_threads, version
from toolkit.errors import ClusterError, UsageError

RETRIES = 3
_NEEDS = ("ray.train", "pyarrow", "pydantic", "fsspec")
_PATIENCE = 7 * 24 * 3600  # Ray notices a worker that died long before


def check_together(workers: int, on: str) -> None:
    """Raise UsageError if several processes cannot work together there.

    >>> check_together(1, "here")
    >>> check_together(2, "here")
    Traceback (most recent call last):
    toolkit.errors.UsageError: workers: expected 1 with on=here, found 2: several train one \
network on a Ray cluster, say on=ray (--on ray), which starts one on this machine too
    """
    if workers == 1:
        return
    if on == HERE:
        raise UsageError(
            f"workers: expected 1 with on={HERE}, found {workers}: several train one network on a "
            "Ray cluster, say on=ray (--on ray), which starts one on this machine too"
        )
    missing = [name for name in _NEEDS if not _there(name)]
    if missing:
        raise UsageError(
            f"workers: {workers} need Ray Train, of which {missing[0]} is not installed: install "
            "the extra toolkit[ray], on every machine of the cluster, or leave workers out"
        )


def run_together(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    workers: int,
    cpus: int,
    gpus: int,
    folder: Path,
    retries: int = RETRIES,
) -> Any:
    """Return what a function gives in the first of several processes; this one waits for them.

    It is to be called on a machine of a cluster, as a piece of work that takes no cores. What the
    function raises ends all of them and is raised here, but for a RuntimeError: torch raises these
    when another process is lost, so all are started again, as where one dies.

    Args:
        function: called in each process, with torch's default process group joined and the card
            set; importable there.
        inputs: by name of its parameters.
        workers: how many processes.
        cpus: cores of each.
        gpus: graphics cards of each, 0 or 1.
        folder: for what Ray Train notes; every machine must see it.
        retries: how often they are started again.

    Raises:
        ClusterError: they were lost too often, or Ray Train is missing.
    """
    ray = import_ray()
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as error:
        raise ClusterError(
            f"a machine of the cluster has no Ray Train ({error}): install toolkit[ray] there"
        ) from error
    desk = ray.remote(num_cpus=0)(Desk).remote()
    trainer = TorchTrainer(
        _in_each,
        train_loop_config={
            "expected": version(), "cpus": cpus, "function": function, "inputs": dict(inputs),
            "desk": desk,
        },
        torch_config=TorchConfig(timeout_s=_PATIENCE),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": cpus} | ({"GPU": gpus} if gpus else {}),
        ),
        run_config=RunConfig(
            name="workers",
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=retries),
        ),
    )  # fmt: skip
    try:
        trainer.fit()
    except Exception as error:  # of several kinds, of Ray Train and of Ray
        raised = ray.get(desk.raised.remote())
        if raised is not None:
            raise raised from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ClusterError(
            f"{workers} workers were lost {retries + 1} times (at last: {lines[-1][:200]}): look "
            "at their machines' memory and Ray's logs, then run the same command again; what was "
            "finished is kept"
        ) from error
    raised, result = ray.get([desk.raised.remote(), desk.result.remote()])
    if raised is not None:
        raise raised
    return result


class Desk:
    """Takes what the processes have to say: the first one's result, and what one raised."""

    def __init__(self) -> None:
        self._result: Any = None
        self._raised: Exception | None = None

    def end(self, result: Any) -> None:
        """Take the result."""
        self._result = result

    def fail(self, error: Exception) -> None:
        """Take what was raised; the first counts: the others may follow from it."""
        self._raised = self._raised or error

    def result(self) -> Any:
        """Return the result."""
        return self._result

    def raised(self) -> Exception | None:
        """Return what was raised."""
        return self._raised


def _in_each(config: dict[str, Any]) -> None:
    """Run the function in one of the processes."""
    import torch.distributed as dist

    ray, desk = import_ray(), config["desk"]
    if ray.get(desk.raised.remote()) is not None:
        return  # started again after an error that would only come again
    try:
        check_version(config["expected"])
        use_threads(config["cpus"])
        result = config["function"](**config["inputs"])
        if dist.get_rank() == 0:
            ray.get(desk.end.remote(result))
    except RuntimeError:
        raise
    except Exception as error:
        ray.get(desk.fail.remote(portable(error)))
        raise


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
