"""toolkit cache: what embeddings are on disk, whether they are sound, and who uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import ArtifactsOption, JsonOption, QuietOption, Run

if TYPE_CHECKING:
    from toolkit.features.inventory import Inventory, StoreFacts

cache = typer.Typer(
    name="cache", help="Embeddings on disk: list, verify, prune.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(cache)


@cache.command("list")
def list_stores(
    artifacts: ArtifactsOption = None, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """List stores of embeddings with their sizes and the data sets that use them."""
    from toolkit.features.inventory import take_inventory

    run = Run.start(artifacts, json, quiet)
    _show(run, take_inventory(run.artifacts))


@cache.command()
def verify(
    artifacts: ArtifactsOption = None, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Compare every row on disk with its checksum; exit code 1 where one is damaged."""
    from toolkit.features.inventory import take_inventory

    run = Run.start(artifacts, json, quiet)
    found = take_inventory(run.artifacts, check=True)
    _show(run, found)
    if any(store.problem or store.damaged for store in found.stores):
        run.say("'toolkit cache prune --damaged' removes what is damaged; embed again afterwards")
        raise typer.Exit(1)


@cache.command()
def prune(
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
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove embeddings that are damaged or of no use to any data set here."""
    from toolkit.errors import UsageError
    from toolkit.features.inventory import prune as remove

    run = Run.start(artifacts, json, quiet)
    if not (damaged or unused or engines):
        raise UsageError("say what to remove: --damaged, --unused, --engines, or several of them")
    gone = remove(
        run.artifacts,
        damaged=damaged,
        unused_stores=unused,
        unused_rows=unused,
        engines=engines,
        dry_run=dry_run,
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

    table = Table("store", "made with", "used by", "state")
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
