# SPDX-License-Identifier: Apache-2.0
"""Types of the C extension that tokenizes."""

from typing import final

@final
class Tokenizer:
    """What latentmill.Tokenizer is made of. ValueError where data is no tokenizer's file."""

    def __new__(cls, data: bytes, what: str, special_tokens: int, pattern: str | None,
                named: dict[str, int]) -> Tokenizer: ...
    n_pieces: int
    bos: int | None
    eos: int | None
    kind: str
    special: str
    versions: str
    def encode(self, text: str | bytes, /) -> list[int]: ...
    def decode(self, ids: list[int], /) -> bytes: ...
    def piece(self, i: int, /) -> str: ...
    def shown(self, i: int, /) -> str: ...
    def piece_id(self, piece: str, /) -> int | None: ...
