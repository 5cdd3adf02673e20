"""Trackers: what a member is reaches each library once, and nothing of the test images does."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.reports.test_odd_data import scored_set
from toolkit.errors import UsageError
from toolkit.finetuning.journal import Journal
from toolkit.members.member import Member
from toolkit.reports.track import track


@pytest.fixture
def member(tmp_path: Path) -> Member:
    _, made = scored_set(tmp_path, ("cat|dog", "ünï"), 60, 0.4)
    for fold in (0, 1):
        journal = Journal(tmp_path / "reports" / "training" / "m" / f"fold-{fold}")
        for epoch in (1, 2):
            journal.write({"epoch": epoch, "loss": 1 / (epoch + fold), "phase": "trunk"})
    return made


@dataclass
class Kept:
    """A run of a stand-in for MLflow."""

    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    status: str = "RUNNING"


class Client:
    """Takes what MLflow's client takes, with the letters that it takes."""

    def __init__(self, runs: list[Kept]) -> None:
        self.runs = runs

    def get_experiment_by_name(self, name: str) -> Any:
        return None

    def create_experiment(self, name: str) -> str:
        return "1"

    def search_runs(self, experiments: list[str], wanted: str, max_results: int) -> list[Any]:
        digest = wanted.rpartition(" = ")[2].strip("'")
        return [
            SimpleNamespace(
                info=SimpleNamespace(status=run.status), data=SimpleNamespace(tags=run.tags)
            )
            for run in self.runs
            if run.tags["toolkit.inputs"] == digest
        ]

    def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
        self.runs.append(Kept(tags | {"mlflow.runName": run_name}))
        return SimpleNamespace(info=SimpleNamespace(run_id=len(self.runs) - 1))

    def log_param(self, run: int, name: str, value: str) -> None:
        self.runs[run].params[name] = value

    def log_metric(self, run: int, name: str, value: float, step: int = 0) -> None:
        assert all(c.isascii() and (c.isalnum() or c in "_-. /") for c in name), name
        self.runs[run].metrics.append((name, value, step))

    def log_artifact(self, run: int, path: str) -> None:
        self.runs[run].files.append(path)

    def set_terminated(self, run: int, status: str) -> None:
        self.runs[run].status = status


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> list[Kept]:
    runs: list[Kept] = []
    module = ModuleType("mlflow")
    module.MlflowClient = lambda: Client(runs)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return runs


def test_a_member_is_one_run_with_its_recipe_metrics_and_curves(
    member: Member, mlflow: list[Kept], tmp_path: Path
) -> None:
    page = tmp_path / "r.html"
    page.write_text("page")
    done = track(member, report=page, progress=False)
    assert (done.logged, done.there) == (("m",), ())
    [run] = mlflow
    assert run.params["head"] == "linear"
    assert run.status == "FINISHED"
    assert run.files == [str(page)]
    curve = {(name, step): value for name, value, step in run.metrics if name.startswith("fold-")}
    assert curve == {
        (f"fold-{fold}/loss", epoch): 1 / (epoch + fold) for fold in (0, 1) for epoch in (1, 2)
    }
    again = track(member, progress=False)
    assert (again.logged, again.there) == ((), ("m",))
    assert len(mlflow) == 1


def test_metrics_are_those_of_development_images(
    member: Member, mlflow: list[Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"metrics": {"map": 0.5, "none": None}, "per_label": {"ünï": {"ap": 0.25}}}
    monkeypatch.setitem(member.__dict__, "_development", facts)
    track(member, progress=False)
    found = {name: value for name, value, _ in mlflow[0].metrics if "fold" not in name}
    assert found == {"map": 0.5, "label/-fc-n-ef-/ap": 0.25}


def test_a_run_that_broke_off_is_failed_and_logged_anew(
    member: Member, mlflow: list[Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(Client, "log_param", full)
        with pytest.raises(OSError, match="disk full"):
            track(member, progress=False)
    assert track(member, progress=False).logged == ("m",)
    assert [run.status for run in mlflow] == ["FAILED", "FINISHED"]


def test_tensorboard_has_the_curves(member: Member, tmp_path: Path) -> None:
    reader: Any = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed",
    )

    def logged() -> tuple[str, ...]:
        return track(member, to="tensorboard", folder=tmp_path / "tb", progress=False).logged

    assert logged() == ("m",)
    [folder] = (tmp_path / "tb" / "toolkit").iterdir()
    found = reader.EventAccumulator(str(folder))
    found.Reload()
    loss = [(each.step, each.value) for each in found.Scalars("fold-1/loss")]
    assert loss == [(1, 0.5), (2, pytest.approx(1 / 3))]
    assert "head" in str(found.Tensors("parameters/text_summary"))
    assert logged() == ()


@pytest.mark.filterwarnings("ignore")  # of what it stands on
def test_mlflow_itself_takes_it(
    member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    mlflow.set_tracking_uri(None)
    assert track(member, project="odd", progress=False).logged == ("m",)
    assert track(member, project="odd", progress=False).logged == ()
    client = mlflow.MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("odd").experiment_id])
    assert run.data.params["head"] == "linear"
    assert len(client.get_metric_history(run.info.run_id, "fold-0/loss")) == 2


def test_wandb_itself_takes_it_offline(
    member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert track(member, to="wandb", folder=tmp_path / "w", progress=False).logged == ("m",)
    assert list((tmp_path / "w").glob("wandb/offline-run-*/*.wandb"))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "tracker": ({"to": "comet"}, "to: expected mlflow, wandb or tensorboard"),
    "project": ({"project": "../up"}, "project: expected a name without slashes"),
    "report": ({"report": "nowhere.html"}, "expected a page, found none"),
    "board": ({"to": "tensorboard", "report": "r.html"}, "report is not for tensorboard"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_said(member: Member, case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        track(member, progress=False, **given)


def test_a_tracker_that_is_not_installed_is_named_with_its_extra(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"wandb is not installed: pip install 'toolkit\[wandb\]'"):
        track(member, to="wandb", progress=False)


def test_provenance_names_the_commit_that_a_run_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Callable[..., str]
) -> None:
    from toolkit.runtime.repository import commit_here

    monkeypatch.chdir(tmp_path)
    assert commit_here() is None
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "one")
    commit = git("rev-parse", "HEAD").strip()
    assert commit_here() == commit
    (tmp_path / "a").write_text("2")
    assert commit_here() == f"{commit}-dirty"


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    import shutil
    import subprocess

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")

    def run(*command: str) -> str:
        return subprocess.run(
            ["git", *who, *command], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    return run
