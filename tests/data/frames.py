"""Frames, written as a person would write them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def write_frame(frame: pd.DataFrame, file: Path) -> None:
    """Write a table in the format that the file's ending names: CSV, Parquet, else JSON lines."""
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    elif file.suffix == ".parquet":
        frame.to_parquet(file)
    else:
        frame.to_json(file, orient="records", lines=True)
