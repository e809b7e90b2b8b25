# SPDX-License-Identifier: Apache-2.0
"""What a given text is as a caption, by the rules of `latentmill prepare` (ingest/text/caption.c for a
caption file, ingest/text/document_parse.c for a document): the same text gives the same ids."""
from __future__ import annotations

# The property White_Space: str.isspace() has U+001C to U+001F besides.
_WHITE_SPACE = "".join(map(chr, (*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
                                 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)))


def text_of(given: str, is_document: bool) -> str:
    """It without the byte order marks before it and, unless it is a document's, the newlines
    behind it. ValueError that says why it is none."""
    text = given.lstrip("\ufeff")
    if not is_document:
        text = text.rstrip("\r\n")
        if "\0" in text:
            raise ValueError("has a NUL, as no text has: it is damaged, or in another encoding")
    if not text.strip(_WHITE_SPACE + "\0"):
        raise ValueError("is empty" if not given else "is nothing but white space or NULs")
    return text
