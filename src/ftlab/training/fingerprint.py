"""What a run is made of, as digests: rows of any kind, functions, weights.

Not `datasets.fingerprint.Hasher`, which pickles: its digest of a function that holds a model is
another in every process, and that of two equal rows differs if one of them shares a list.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import types
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ftlab.common.errors import LabError
from ftlab.models.storing import digest


def digest_of(value: Any) -> str:
    """A digest of numbers, texts, tensors, arrays and what holds them; TypeError for all else."""
    found = _Digest()
    found.add(value)
    return found.hexdigest()


def hash_rows(which: str, rows: Sequence[Any] | None) -> str:
    """A digest of rows and their order. They may hold numbers, texts, paths, tensors, arrays and
    what converts to them without a copy (an image), in lists, tuples, dicts, sets and dataclasses.

    LabError names the first example, "`which` example 3", that holds anything else.
    """
    found = _Digest()
    rows = () if rows is None else rows
    for number in range(len(rows)):
        try:
            found.add(rows[number])
        except TypeError as error:
            raise LabError(
                f"fit: {which} example {number} {error}, which checkpoints cannot compare: give "
                "numbers, texts, arrays or tensors, or leave out checkpoint_dir."
            ) from None
    return found.hexdigest()


def describe(function: Callable[..., Any] | None) -> str:
    """A function's name and a digest of what it computes with, the same in every process.

    The digest covers its byte code and the values that it reads: default arguments, variables
    from around it, globals, attributes if it is an object or a method, the weights of a model,
    functions of the same module with all that they read in turn. What lies in other modules counts
    by its name alone, and so do lists, sets and objects of other kinds.
    """
    if function is None:
        return "None"
    found = _FunctionDigest()
    found.root(function)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name} {found.hexdigest()[:16]}"


def hash_weights(model: nn.Module) -> str:
    """A digest of every weight, its name, its shape and whether it is trained."""
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    return digest(
        (f"{name} {tuple(tensor.shape)} {tensor.dtype} {name in trained}", tensor)
        for name, tensor in model.state_dict().items()
    )


class _Digest:
    """SHA-256 of values: equal ones of equal types give the same, wherever they came from."""

    def __init__(self) -> None:
        self._found = hashlib.sha256()

    def hexdigest(self) -> str:
        return self._found.hexdigest()

    def say(self, kind: str, content: bytes = b"") -> None:
        """Add `content`, told apart from what stands before and behind it."""
        self._found.update(f"{kind} {len(content)} ".encode() + content)

    def add(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            self._sequence(value)
        elif isinstance(value, torch.Tensor):
            self.say(f"tensor {value.dtype} {tuple(value.shape)} {digest([('', value)])}")
        elif hasattr(value, "__array_interface__") and not isinstance(value, type):
            numbers = np.asarray(value)
            if numbers.dtype.hasobject:
                self.add(numbers.tolist())
            else:
                self.say(f"array {numbers.dtype.str} {numbers.shape}", numbers.tobytes())
        elif value is None or isinstance(value, bool | int | float | str | bytes):
            self.say(type(value).__name__, repr(value).encode())
        elif isinstance(value, Mapping):
            self.say(f"dict of {len(value)}")
            for key in sorted(value, key=repr):
                self.add(key)
                self.add(value[key])
        elif isinstance(value, set | frozenset):
            self.say(f"set of {len(value)}")
            for one in sorted(map(self._alone, value)):
                self.say(one)
        elif isinstance(value, os.PathLike):
            self.say("path", os.fsencode(value))
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            self.say(_name(type(value)))
            self.add({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
        else:
            self.other(value)

    def _alone(self, value: Any) -> str:
        found = type(self)()
        found.add(value)
        return found.hexdigest()

    def other(self, value: Any) -> None:
        raise TypeError(f"holds a {_name(type(value))}")

    def _sequence(self, values: Sequence[Any]) -> None:
        kinds = set(map(type, values))
        if kinds in ({int}, {float}):  # tokens, mostly: all in one go
            code = "q" if kinds == {int} else "d"
            try:
                return self.say(f"list {code} {len(values)}", array(code, values).tobytes())
            except OverflowError:
                pass
        self.say(f"list of {len(values)}")
        for value in values:
            self.add(value)


class _FunctionDigest(_Digest):
    """The same for a function and all that it reads."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[Any] = []  # a function may read itself
        self._module: str | None = None  # of the functions that are followed

    def add(self, value: Any) -> None:
        # What a run may change as it goes on, as a log that grows, says nothing about it.
        kind = getattr(type(value), "__dataclass_params__", None)
        if isinstance(value, list | set) or (kind and not kind.frozen):
            self.say(_name(type(value)))
        else:
            super().add(value)

    def root(self, value: Any) -> None:
        """The function itself, which may be an object that is called, with its attributes."""
        if isinstance(value, functools.partial):
            self.root(value.func)
            self.add((value.args, value.keywords))
        elif isinstance(value, types.FunctionType):
            self._module = value.__module__
            self.other(value)
        elif isinstance(value, types.MethodType):
            self.root(value.__func__)
            self._attributes(value.__self__)
        elif isinstance(value, types.BuiltinFunctionType | type) or not hasattr(value, "__dict__"):
            self.other(value)
        else:
            kind = type(value)
            self.root(kind.forward if isinstance(value, nn.Module) else kind.__call__)
            self._attributes(value)

    def _attributes(self, value: Any) -> None:
        inherited = vars(nn.Module()) if isinstance(value, nn.Module) else {}
        if inherited:
            self.say(hash_weights(value))
        self.say(type(value).__qualname__)
        self.add({k: v for k, v in getattr(value, "__dict__", {}).items() if k not in inherited})

    def other(self, value: Any) -> None:
        if isinstance(value, types.FunctionType):
            if any(value is one for one in self._seen):
                return self.say("again")
            self._seen.append(value)
            self.say(value.__qualname__)
            self._code(value.__code__)
            if value.__module__ == self._module:
                self._surroundings(value)
        elif isinstance(value, nn.Module):
            self.say(f"{_name(type(value))} {hash_weights(value)}")
            self.add({k: v for k, v in vars(value).items() if isinstance(v, int | float)})
        elif isinstance(value, functools.partial):
            self.add((value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            self.other(value.__func__)
        else:
            self.say(_name(value))

    def _code(self, code: types.CodeType) -> None:
        self.say("code", code.co_code)  # without numbers of lines
        self.add((code.co_names, code.co_freevars))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant)
            else:
                self.add(constant)

    def _surroundings(self, function: types.FunctionType) -> None:
        self.add((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # not filled yet
                self.say("empty")
        for name in sorted(set(_names(function.__code__)) & function.__globals__.keys()):
            self.say(name)
            self.add(function.__globals__[name])


def _names(code: types.CodeType) -> Iterator[str]:
    """The globals, and attributes, that a function names, and those within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _name(value: Any) -> str:
    """The full name of a function, class or module, and that of its class for anything else."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
