"""toolkit cache: what embeddings are on disk, whether they are sound, and who uses them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.command import command
from toolkit.cli.run import Run

if TYPE_CHECKING:
    from toolkit.features.inventory import Inventory, StoreFacts

cache = typer.Typer(
    name="cache", help="Embeddings on disk: list, verify, prune.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(cache)


@command(cache, name="list")
def list_stores(run: Run, artifacts: Path | None = None, **shared: Any) -> None:
    """List stores of embeddings with their sizes and the data sets that use them."""
    from toolkit import list_cache

    _show(run, list_cache(artifacts=artifacts))


@command(cache)
def verify(run: Run, artifacts: Path | None = None, **shared: Any) -> None:
    """Compare every row on disk with its checksum; exit code 1 where one is damaged."""
    from toolkit import verify_cache

    found = verify_cache(artifacts=artifacts)
    _show(run, found)
    if any(store.problem or store.damaged for store in found.stores):
        run.say("'toolkit cache prune --damaged' removes what is damaged; embed again afterwards")
        raise typer.Exit(1)


@command(cache)
def prune(
    run: Run,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Remove damaged rows and stores without a name.")
    ] = False,
    unused: Annotated[
        bool, typer.Option("--unused", help="Remove stores and rows that no data set uses.")
    ] = False,
    engines: Annotated[
        bool, typer.Option("--engines", help="Remove converted networks that are out of date.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be removed.")
    ] = False,
    artifacts: Path | None = None,
    **shared: Any,
) -> None:
    """Remove embeddings that are damaged or of no use to any data set here."""
    from toolkit import prune_cache

    gone = prune_cache(
        damaged=damaged, unused=unused, engines=engines, dry_run=dry_run, artifacts=artifacts
    )
    if run.json:
        run.emit(gone.facts() | {"dry_run": dry_run})
        return
    would = "would be " if dry_run else ""
    for name in gone.stores:
        run.show(f"store {name}: {would}removed")
    for rows, what in ((gone.damaged, "damaged"), (gone.unused, "unused")):
        for name, count in rows.items():
            run.show(f"store {name}: {count:,} {what} rows {would}removed")
    for name in gone.engines:
        run.show(f"converted network {name}: {would}removed")
    run.show(f"{megabytes(gone.bytes)} {would}freed")


def _show(run: Run, found: Inventory) -> None:
    if run.json:
        run.emit(found.facts())
        return
    if not found.stores and not found.engines:
        run.show("no embeddings yet: toolkit embed --backbone efficientnet_lite0")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in ("store", "made with", "used by", "state"):
        table.add_column(column, overflow="fold")  # names must be there whole: they are typed
    for column in ("rows", "size"):
        table.add_column(column, justify="right")
    for store in found.stores:
        users = ", ".join(f"{name} ({rows:,})" for name, rows in store.used_by.items())
        table.add_row(
            Text(store.name),
            Text(_recipe(store)),
            Text(users or "no data set"),
            Text(_state(store)),
            f"{store.rows:,}",
            megabytes(store.bytes),
        )
    run.show(table)
    for engine in found.engines:
        state = ", out of date" if engine.stale else ""
        run.show(f"converted network {engine.name}: {megabytes(engine.bytes)}{state}")
    for name in found.unreadable:
        run.say(f"data set {name} cannot be read; what it uses is not counted")


def _recipe(store: StoreFacts) -> str:
    if store.key is None:
        return "unknown"
    key, backbone = store.key, store.key["backbone"]
    return f"{backbone['name']}, {'+'.join(key['views'])}, {key['precision']}, {key['store']}"


def _state(store: StoreFacts) -> str:
    if store.problem:
        return store.problem
    if store.damaged:
        return f"{len(store.damaged):,} rows damaged"
    skipped = f", {store.skipped:,} images skipped" if store.skipped else ""
    return ("every row checked" if store.damaged is not None else "not checked") + skipped


def megabytes(size: int) -> str:
    """Return a size for people.

    >>> megabytes(1_500_000)
    '1.5 MB'
    """
    return f"{size / 1e6:,.1f} MB"
