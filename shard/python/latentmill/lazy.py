# SPDX-License-Identifier: Apache-2.0
"""Values that an object computes when they are first asked for, and keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):
    """functools.cached_property without the lock that it has in Python 3.11, one for all
    objects of a class: a child of fork() would wait for ever for one that a thread of its
    parent holds. Threads that ask at once may compute the value twice; all get the first."""

    def __init__(self, function: Callable[[Any], T]):
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> cached_property[T] | T:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._function.__name__,
                                                self._function(instance))
        return value
