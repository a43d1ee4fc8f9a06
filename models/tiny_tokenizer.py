"""Byte-level BPE in llama.cpp's `gpt2` model with the `llama-bpe` pre-tokenizer, of about 2,200 tokens.

Numbers are cut into runs of up to three digits (that is llama-bpe's own rule) and every run is ONE token: a number of
the question, the same number in an observation and in an option are then the same one or two tokens, so copying and
comparing them needs one attention hop. That rule also looks a whole run up before it merges, so the token wins always.
"""

import itertools
import json

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

# llama.cpp's regular expression for llama-bpe.
SPLIT = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BOS, EOS = "<s>", "</s>"
TAGS = [
    f"<{slash}{name}>"
    for name in ("thought", "action", "input", "observation", "answer")
    for slash in ("", "/")
]
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def pretokenizer(single_digits: bool):
    steps = [pre_tokenizers.Split(Regex(SPLIT), "isolated")]
    if single_digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


class TinyTokenizer:
    def __init__(self, tokens: list[str], merges: list[tuple[str, str]]):
        self.tokens, self.merges = tokens, merges
        self.ids = {t: i for i, t in enumerate(tokens)}
        self.bos, self.eos = self.ids[BOS], self.ids[EOS]
        plain = {t: i for t, i in self.ids.items() if t not in (BOS, EOS)}
        self.hf = Tokenizer(models.BPE(vocab=plain, merges=merges, ignore_merges=True))
        self.hf.pre_tokenizer = pretokenizer(single_digits=False)
        self.hf.decoder = decoders.ByteLevel()
        self.hf.add_tokens([t for t in TAGS])

    def encode(self, text: str) -> list[int]:
        return self.hf.encode(text, add_special_tokens=False).ids

    @staticmethod
    def train(texts, merges: int) -> "TinyTokenizer":
        t = Tokenizer(models.BPE())
        t.pre_tokenizer = pretokenizer(single_digits=True)
        trainer = trainers.BpeTrainer(
            vocab_size=len(BYTES) + merges, initial_alphabet=BYTES, show_progress=False, min_frequency=20
        )
        strip = str.maketrans({"<": "\n", ">": "\n"})
        t.train_from_iterator((text.translate(strip) for text in texts), trainer)
        model = json.loads(t.to_str())["model"]
        learned = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
        digits = "0123456789"
        twos = [(a, b) for a, b in itertools.product(digits, digits)]
        threes = [(a + b, c) for a, b, c in itertools.product(digits, digits, digits)]
        all_merges = twos + threes + learned
        tokens = [BOS, EOS, *TAGS, *BYTES]
        seen = set(tokens)
        for a, b in all_merges:
            if a + b not in seen:
                seen.add(a + b)
                tokens.append(a + b)
        return TinyTokenizer(tokens, all_merges)

    def write(self, w: gguf.GGUFWriter) -> None:
        kinds = [gguf.TokenType.NORMAL] * len(self.tokens)
        for t in (BOS, EOS):
            kinds[self.ids[t]] = gguf.TokenType.CONTROL
        for t in TAGS:
            kinds[self.ids[t]] = gguf.TokenType.USER_DEFINED
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre("llama-bpe")
        w.add_token_list(self.tokens)
        w.add_token_types(kinds)
        w.add_token_merges([f"{a} {b}" for a, b in self.merges])
        w.add_bos_token_id(self.bos)
        w.add_eos_token_id(self.eos)
        w.add_add_bos_token(True)
        w.add_add_eos_token(False)

    def save(self, path: str) -> None:
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"tokens": self.tokens, "merges": self.merges}, f)

    @staticmethod
    def load(path: str) -> "TinyTokenizer":
        with open(path, encoding="utf-8") as f:
            saved = json.load(f)
        return TinyTokenizer(saved["tokens"], [tuple(m) for m in saved["merges"]])
