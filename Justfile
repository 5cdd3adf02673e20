# list the recipes
default:
    @just --list --unsorted

# paint the synthetic data set, embed it, fit linear heads, print the comparison
demo:
    uv run toolkit data synth
    uv run toolkit reproduce demo --data synthetic

# run the tests
test *args:
    uv run pytest -n 2 {{args}}

numeric := "tests/auditing tests/ensembles tests/features tests/finetuning tests/heads tests/inference tests/members tests/statistics"
avx2 := "ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell"

# the numeric tests as on a processor with AVX2 alone
test-avx2 *args:
    {{avx2}} ATEN_CPU_CAPABILITY=avx2 uv run pytest -n 2 {{numeric}} {{args}}

# the same, then without AVX2 in torch, then in one process with a thread per core
test-processors *args: (test-avx2 args)
    {{avx2}} ATEN_CPU_CAPABILITY=default uv run pytest -n 2 {{numeric}} {{args}}
    uv run pytest {{numeric}} {{args}}

# all tests on an interpreter with the newest or the oldest (lowest-direct) dependencies allowed
test-versions python="3.12" resolution="highest" *args:
    uv venv --clear --python {{python}} .venv-versions
    uv pip install --no-config --python .venv-versions --resolution {{resolution}} -e . --group dev
    .venv-versions/bin/python -m pytest -n 2 {{args}}

# private buckets against a stand-in for S3; botocore bounds python-dateutil below what is locked here
test-s3 *args:
    uv venv --clear .venv-s3
    uv pip install --no-config --python .venv-s3 -e '.[remote]' --group dev 'moto[server]' s3fs
    .venv-s3/bin/python -m pytest -n 0 -rs tests/images/test_s3.py tests/data/test_at_addresses.py {{args}}

# kill, fill, cut, flip: the long version of tests/faults, and its table in docs/reliability.md
faults *args:
    TOOLKIT_FAULTS_LONG=1 TOOLKIT_FAULTS_PAGE=docs/reliability.md uv run --no-sync pytest -n 2 tests/faults {{args}}
    TOOLKIT_FAULTS_LONG=1 uv run --no-sync pytest -n 0 -rs tests/distribute

# lint, types, tests
check:
    uv run ruff check .
    uv run ruff format --check .
    uv run mypy
    just test

# measure embedding on a folder of images; needs a quiet machine (bench/README.md)
bench folder *args:
    uv run python -m bench.embed {{folder}} {{args}}

# all that a GPU must show, in one call without a network; --device cpu --images 200 walks it without one
gpu *args:
    uv run --no-sync python bench/gpu.py {{args}}

# what must travel to a GPU machine, with the tree below 63 MiB: photographs, wheels, weights
gpu-pack folder *args:
    uv run python bench/gpu_pack.py {{folder}} {{args}}

# that run on a bare copy without a network or a GPU; --python 3.12, or the path of one
gpu-rehearsal *args:
    uv run python bench/gpu_rehearsal.py {{args}}

# every result of the paper as published and corrected, future work, the comparison; --smoke: a minute
reproduce-paper *args:
    uv run toolkit reproduce paper future/best future/crops future/heads future/multitask future/one-vs-rest {{args}}

# build the pages of docs/ with a reference of every public name, links checked, into site/
docs:
    uv run mkdocs build --strict
