# SPDX-License-Identifier: Apache-2.0
"""Packages that only some functions need."""
from __future__ import annotations

from typing import Any


def need_torch(what: str) -> Any:
    """The module torch; `what` needs it. ImportError says so where it cannot be imported."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{what} needs torch ({error}): pip install torch") from error
    return torch
