"""Calling a reader's functions without changing anything of theirs."""

from __future__ import annotations

import copy
import dis
import random
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class CannotCopy(Exception):
    """A callable that keeps state which can't be copied."""


def copied(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same and has its own state.

    Raises:
        CannotCopy: its state is somewhere that can't be copied.

    """
    try:
        if isinstance(function, types.MethodType):
            owner = copy.deepcopy(function.__self__)
            return types.MethodType(function.__func__, owner)
        if isinstance(function, types.FunctionType):
            return _copied_function(function)
        return copy.deepcopy(function)
    except CannotCopy:
        raise
    except Exception as error:
        raise CannotCopy(f"{type(error).__name__}: {error}") from None


def _copied_function(function: types.FunctionType) -> types.FunctionType:
    code = function.__code__
    if any(i.opname == "STORE_GLOBAL" for i in dis.get_instructions(code)):
        raise CannotCopy("it sets a global variable")
    names = {k: v for k, v in function.__globals__.items()}
    for name in code.co_names:
        if isinstance(names.get(name), list | dict | set | bytearray | np.ndarray):
            names[name] = copy.deepcopy(names[name])
    cells = tuple(types.CellType(_inside(c)) for c in function.__closure__ or ())
    made = types.FunctionType(
        code, names, function.__name__, function.__defaults__, cells
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _inside(cell: types.CellType) -> Any:
    value = cell.cell_contents
    if isinstance(value, types.FunctionType):
        return _copied_function(value)
    return copy.deepcopy(value)


def reads_what_may_change(function: Callable[..., Any]) -> bool:
    """Return whether a function reads a list, a dictionary or the like around it."""
    if isinstance(function, types.MethodType):
        return True
    if not isinstance(function, types.FunctionType):
        return False
    around = [function.__globals__.get(name) for name in function.__code__.co_names]
    around += [cell.cell_contents for cell in function.__closure__ or ()]
    fixed = (types.ModuleType, types.FunctionType, type, int, float, str, type(None))
    return any(not isinstance(each, fixed) for each in around)


@contextmanager
def same_random_state() -> Iterator[None]:
    """Leave Python's and NumPy's random numbers as they were."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002, it's the reader's
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
