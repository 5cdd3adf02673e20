"""A second device for tests: tensors that say they are a GPU's and keep to themselves.

Their numbers lie in the processor's memory and are computed there, so that a training run comes
out as it does without a GPU. But an operation that is given tensors of both devices is refused, as
a GPU would refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

_aten = torch.ops.aten
_MOVING = (_aten._to_copy.default, _aten.copy_.default)


class There(torch.Tensor):
    """A tensor of the second device."""

    numbers: torch.Tensor
    label = torch.device("cuda", 0)

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> There:
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            layout=numbers.layout,
            device=cls.label,
        )
        made.numbers = numbers
        return made  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: Any) -> There:
        made = There(self.numbers.clone()).requires_grad_(self.requires_grad)
        memo[id(self)] = made
        return made  # type: ignore[return-value]

    def numpy(self, *, force: bool = False) -> Any:
        return self.numbers.detach().numpy()

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _computed(func, args, kwargs or {})


class _SecondDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    # torch asks no driver for a GPU under a mode of this kind
    _mode_key = torch._C._TorchDispatchModeKey.FAKE

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in given if isinstance(tensor, There)]
    if there and func not in _MOVING:
        for tensor in given:
            if not isinstance(tensor, There) and tensor.dim():
                raise RuntimeError(f"{func}: expected all tensors on one device")
    wanted = kwargs.get("device")
    kwargs = {name: value for name, value in kwargs.items() if name != "pin_memory"}
    if wanted is not None:
        kwargs["device"] = torch.device("cpu")
    found = func(*tree_map(_numbers, args), **tree_map(_numbers, kwargs))
    if func is _aten.copy_.default:
        return args[0]
    if not there if wanted is None else torch.device(wanted).type == "cpu":
        return found
    known = {id(tensor.numbers): tensor for tensor in there}  # what is changed in place
    return tree_map(lambda leaf: known[id(leaf)] if id(leaf) in known else _moved(leaf), found)


def _numbers(leaf: Any) -> Any:
    return leaf.numbers if isinstance(leaf, There) else leaf


def _moved(leaf: Any) -> Any:
    return There(leaf) if isinstance(leaf, torch.Tensor) else leaf


class _Event:
    def record(self, stream: Any = None) -> None: ...
    def synchronize(self) -> None: ...


def move_parameters(self: nn.Module, fn: Any, recurse: bool = True) -> nn.Module:
    """Do what ``Module.to`` does, where a parameter may become a tensor of another class."""
    for child in self.children():
        move_parameters(child, fn)
    with torch.no_grad():
        for name, parameter in self._parameters.items():
            if parameter is not None:
                moved: Any = fn(parameter.detach())
                self._parameters[name] = moved.requires_grad_(parameter.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
    return self


def require_guards() -> None:
    """Skip a test where torch asks for a driver before it lets a tensor be a GPU's."""
    if not hasattr(torch._C, "_ensureCUDADeviceGuardSet"):
        pytest.skip(f"torch {torch.__version__} has no tensors of a GPU without a driver")


@contextmanager
def second_device(kind: str) -> Iterator[pytest.MonkeyPatch]:
    """Let a device be one on which numbers are the processor's and mixing is refused.

    Without a driver gradients cannot be computed on ``cuda``; on ``meta`` they can.
    """
    require_guards()
    torch._C._ensureCUDADeviceGuardSet()
    lifted = torch._C._only_lift_cpu_tensors()
    cudnn = torch.backends.cudnn.enabled
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        patch.setattr(There, "label", torch.device(kind))
        patch.setattr(nn.Module, "_apply", move_parameters)
        patch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
        patch.setattr(torch.cuda, "Event", _Event)
        patch.setattr(torch.cuda, "current_stream", lambda device=None: None)
        torch._C._set_only_lift_cpu_tensors(True)
        torch.backends.cudnn.enabled = False  # its kernels have names of their own
        try:
            with _SecondDevice():  # type: ignore[no-untyped-call]
                yield patch
        finally:
            torch.backends.cudnn.enabled = cudnn
            torch._C._set_only_lift_cpu_tensors(lifted)
