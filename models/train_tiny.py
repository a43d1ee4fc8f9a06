"""Trains the tiny model on transcripts from scripts/make-tiny-corpus.ts and writes models/spark-tiny.gguf.

    npx vite-node scripts/make-tiny-corpus.ts -- --out /tmp/tiny-corpus.jsonl
    python models/train_tiny.py --corpus /tmp/tiny-corpus.jsonl

Two stages, each with a learning rate that rises, holds and falls: the `match` lines at the head of the corpus (an
observation, the option it names), then all the rest. AdamW; bf16 autocast, which such a processor multiplies in
hardware; one thread does about 8,000 tokens a second. Stopped at any time, the same command goes on from the checkpoint
in --work.
"""

import argparse
import itertools
import json
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

from tiny_model import TinyConfig, TinyLlama, write_gguf
from tiny_tokenizer import TinyTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))

# Loss weights as scripts/tiny-transcripts.ts writes them; here only to tell the tokens apart in the log.
LETTER, INPUT, SAY = 5.0, 1.5, 1.0


def read_lines(path):
    """Pieces [[text, weight], …] per line: the leading run of `match` lines, and the others."""
    drills, rest = [], []
    with open(path, encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            (drills if not rest and row["k"] == "match" else rest).append(row["p"])
    return drills, rest


def encode(lines, tokenizer):
    """Pairs (ids int16, weights float16) of length T; a piece's weight goes to the tokens that start in it."""
    out = []
    for start in range(0, len(lines), 1000):
        part = lines[start : start + 1000]
        texts = ["".join(text for text, _ in pieces) for pieces in part]
        for encoding, pieces in zip(tokenizer.hf.encode_batch(texts, add_special_tokens=False), part):
            ends = np.cumsum([len(text) for text, _ in pieces])
            at = np.searchsorted(ends, [first for first, _ in encoding.offsets], side="right")
            ids = np.array([tokenizer.bos, *encoding.ids, tokenizer.eos], dtype=np.int16)
            weights = np.array([0.0, *(pieces[i][1] for i in at), 0.5], dtype=np.float16)
            out.append((ids, weights))
    return out


def batches(samples, tokens_per_batch):
    """In corpus order, by windows sorted by length so that little is padding."""
    rng = random.Random(1)
    for start in range(0, len(samples), 512):
        group = sorted(samples[start : start + 512], key=lambda s: len(s[0]))
        cuts, current = [], []
        for s in group:
            if current and (len(current) + 1) * len(s[0]) > tokens_per_batch:
                cuts.append(current)
                current = []
            current.append(s)
        cuts.append(current)
        rng.shuffle(cuts)
        yield from cuts


def collate(group):
    """ids (B, T) int64 and weights (B, T) float32, padded with weight 0."""
    t = max(len(ids) for ids, _ in group)
    ids = np.zeros((len(group), t), dtype=np.int64)
    weights = np.zeros((len(group), t), dtype=np.float32)
    for row, (i, w) in enumerate(group):
        ids[row, : len(i)] = i
        weights[row, : len(w)] = w
    return torch.from_numpy(ids), torch.from_numpy(weights)


def loss_of(model, ids, weights):
    """Weighted mean over the tokens that have a weight; only their rows meet the output matrix. And three accuracies."""
    hidden = model.hidden(ids[:, :-1])
    w = weights[:, 1:]
    rows = w > 0
    targets, w = ids[:, 1:][rows], w[rows]
    logits = model.logits(hidden[rows]).float()
    losses = F.cross_entropy(logits, targets, reduction="none")
    with torch.no_grad():
        right = (logits.argmax(-1) == targets).float()
        accuracy = [right[(w - kind).abs() < 0.01].mean().item() for kind in (LETTER, SAY, INPUT)]
    return (losses * w).sum() / w.sum(), accuracy


def learn(model, optimizer, group):
    """One step; the loss and the three accuracies."""
    ids, weights = collate(group)
    with torch.autocast("cpu", torch.bfloat16):
        loss, accuracy = loss_of(model, ids, weights)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return [loss.item(), *accuracy]


def report(name, step, share, seen, seconds, log):
    rows = np.array(log)
    # A batch without a kind of token has no accuracy for it.
    mean = [c[~np.isnan(c)].mean() if not np.isnan(c).all() else float("nan") for c in rows.T]
    print(
        f"{name} {step} {100 * share:.0f}% {seen / 1e6:.1f}M tokens {seen / seconds:.0f}/s "
        f"loss {mean[0]:.3f} letter {mean[1]:.2f} words {mean[2]:.2f} input {mean[3]:.3f}",
        flush=True,
    )


def train(model, samples, name, minutes, rate, warm, tokens, checkpoint):
    """One pass, or as much of it as `minutes` allow; goes on where the stage's checkpoint stopped."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    total = sum(len(ids) for ids, _ in samples)
    begun = {"step": 0, "seen": 0, "seconds": 0.0}
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        begun = saved["begun"]
    began, seen, log = time.time() - begun["seconds"], begun["seen"], []

    def save(step):
        state = {"step": step, "seen": seen, "seconds": time.time() - began}
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "begun": state}, checkpoint + ".new")
        os.replace(checkpoint + ".new", checkpoint)

    step = begun["step"]
    for step, group in enumerate(itertools.islice(batches(samples, tokens), begun["step"], None), begun["step"] + 1):
        share = max((time.time() - began) / (60 * minutes), seen / total)
        if share >= 1:
            break
        # Trapezoid: the last 30 % goes down to nothing.
        for g in optimizer.param_groups:
            g["lr"] = rate * min(1, step / warm) * min(1, (1 - share) / 0.3)
        log.append(learn(model, optimizer, group))
        seen += sum(len(i) for i, _ in group)
        if step % 50 == 0:
            report(name, step, share, seen, time.time() - began, log)
            log = []
        if step % 100 == 0:
            save(step)
    save(step)
    print(f"{name} done: {seen} tokens in {time.time() - began:.0f} s", flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--corpus", required=True)
    a.add_argument("--out", default=os.path.join(HERE, "spark-tiny.gguf"))
    a.add_argument("--work", default="/tmp/tiny-work", help="checkpoints and tokenizer; what is there is gone on with")
    a.add_argument("--drill-minutes", type=float, default=4, help="most that the first stage may take")
    a.add_argument("--minutes", type=float, default=30, help="most that the second stage may take")
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--merges", type=int, default=900)
    a.add_argument("--start", help="checkpoint of another --work to start from; skips the first stage")
    a.add_argument("--rate", type=float, default=1e-3, help="learning rate of the second stage")
    o = a.parse_args()
    os.makedirs(o.work, exist_ok=True)
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)

    drills, rest = read_lines(o.corpus)
    words = os.path.join(o.work, "tokenizer.json")
    if not os.path.exists(words):
        sample = random.Random(0).sample(rest, min(20000, len(rest)))
        TinyTokenizer.train(("".join(text for text, _ in p) for p in sample), o.merges).save(words)
    tokenizer = TinyTokenizer.load(words)
    drills, rest = encode(drills, tokenizer), encode(rest, tokenizer)
    model = TinyLlama(TinyConfig(vocab=len(tokenizer.tokens)), [tokenizer.ids[x] for x in "ABCDEFGHIJ"])
    size = sum(p.numel() for p in model.parameters())
    print(f"{size} parameters, {len(tokenizer.tokens)} tokens, {len(drills)} + {len(rest)} transcripts", flush=True)

    drilled, checkpoint = (os.path.join(o.work, f"{name}.pt") for name in ("match", "all"))
    if o.start:
        model.load_state_dict(torch.load(o.start)["model"])
    elif not os.path.exists(checkpoint):
        train(model, drills, "match", o.drill_minutes, rate=1.5e-3, warm=40, tokens=4000, checkpoint=drilled)
    train(model, rest, "all", o.minutes, rate=o.rate, warm=60, tokens=5000, checkpoint=checkpoint)
    write_gguf(model, tokenizer, o.out)
    print(f"{o.out}: {os.path.getsize(o.out)} bytes", flush=True)


if __name__ == "__main__":
    main()
