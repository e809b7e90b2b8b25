# SPDX-License-Identifier: Apache-2.0
"""What PyPI's tokenizers makes of texts by a tokenizer.json."""
import json
import pathlib

import tokenizers

REJECTED = -1  # any status below 0


class Referee:
    """PyPI's tokenizers over one file."""

    def __init__(self, path):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        decoder = self.tokenizer.get_added_tokens_decoder()
        self.special = {i: token.content for i, token in decoder.items() if token.special}
        model = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["model"]
        self.unknown = model.get("unk_token")
        # Of a word that is a special token whole, the referee makes it though it is to be text.
        self.never = [content for content in self.special.values() if model.get("ignore_merges") and content in model["vocab"]]

    def ids(self, texts, special):
        self.tokenizer.encode_special_tokens = special == "plain"
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        if special == "reject":
            return [REJECTED if self._spells(text, one) else one.ids for text, one in zip(texts, found)]
        return [one.ids for one in found]

    def _spells(self, text, encoding):
        """Whether a special token was found in a text; unknown characters become one, too."""
        return any(i in self.special and (self.special[i] != self.unknown or self.unknown.lower() in text[start:end].lower())
                   for i, (start, end) in zip(encoding.ids, encoding.offsets))
