# list the recipes
default:
    @just --list --unsorted

# paint the synthetic data set, embed it, fit linear heads, print the comparison
demo:
    uv run toolkit data synth
    uv run toolkit reproduce recipes/demo.toml --data synthetic

# run the tests
test *args:
    uv run pytest -n 2 {{args}}

# lint, types, tests
check:
    uv run ruff check .
    uv run ruff format --check .
    uv run mypy
    just test

# measure: needs a quiet machine and a folder of images (bench/README.md)
bench *args:
    uv run python -m bench {{args}}

# the paper's rows as far as recipes/paper/ holds them, then the comparison
reproduce-paper *args:
    uv run toolkit reproduce recipes/paper/*.toml {{args}}
