"""Devices and precisions are chosen by what the machine has."""

import pytest
import torch

from toolkit.errors import UsageError
from toolkit.runtime.device import choose_device, choose_precision, embedding_precision


def test_devices_and_precisions_are_chosen_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="device: cuda is not there on this machine; use cpu"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="device: expected auto, cpu, cuda or mps"):
        choose_device("tpu")
    with pytest.raises(UsageError, match="precision: expected auto, bf16 or fp32"):
        choose_precision("fp8", "cpu")
    assert choose_precision("fp32", "cuda") == "fp32"
    assert choose_precision("auto", "cuda") == "bf16"
    for there, chosen in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("toolkit.runtime.device.processor_has_bf16", lambda there=there: there)
        assert choose_precision("auto", "cpu") == chosen


def test_one_of_several_gpus_is_chosen_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert choose_device("cuda:1") == "cuda:1"
    assert choose_precision("auto", "cuda:1") == "bf16"
    with pytest.raises(UsageError, match=r"device: cuda:2 is not there .* which has 2"):
        choose_device("cuda:2")
    for wrong in ("cuda:", "cuda:-1", "cuda:01", "mps:0", "cuda:x"):
        with pytest.raises(UsageError, match="device: expected auto, cpu, cuda or mps"):
            choose_device(wrong)


def test_a_gpu_embeds_in_fp16_and_learns_in_what_it_multiplies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, learns in (((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert choose_precision("auto", "cuda:1") == learns
        assert embedding_precision("auto", "cuda:1") == "fp16"
    assert embedding_precision("bf16", "cuda") == "bf16"
    monkeypatch.setattr("toolkit.runtime.device.processor_has_bf16", lambda: True)
    assert embedding_precision("auto", "cpu") == "bf16"
    assert embedding_precision("auto", "cpu", "torch") == "fp32"
    with pytest.raises(UsageError, match="precision: processors do not embed in fp16"):
        embedding_precision("fp16", "cpu")
    with pytest.raises(UsageError, match="precision: expected auto, bf16 or fp32"):
        choose_precision("fp16", "cuda")
