"""Llama architecture at toy size, and its GGUF.

Interleaved rotary pairs (2i, 2i+1), as llama.cpp's `llama` architecture rotates them, so q/k rows are written as they
are. RMSNorm, SwiGLU, grouped-query attention, tied output.
"""

from dataclasses import dataclass

import gguf
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass(frozen=True)
class TinyConfig:
    vocab: int
    width: int = 192  # C
    layers: int = 4  # L
    heads: int = 6  # H
    kv_heads: int = 3  # K
    head_size: int = 32  # D
    feed_forward: int = 384  # F
    context: int = 1024
    rope_base: float = 1e5  # the slow half of the rotary pairs hardly turns within a transcript
    eps: float = 1e-5


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))  # (C)
        self.eps = eps

    def forward(self, x):  # (B, T, C)
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight, self.eps).to(x.dtype)


def rotate(x, cos, sin):
    """x (B, H, T, D); cos, sin (T, D / 2). Pairs are neighbours."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def orthonormal(rows, columns):
    """(rows, columns), rows of length one at right angles."""
    return torch.linalg.qr(torch.randn(columns, rows)).Q.T


class Block(nn.Module):
    def __init__(self, c: TinyConfig):
        super().__init__()
        self.c = c
        self.attn_norm = RMSNorm(c.width, c.eps)
        self.attn_q = nn.Linear(c.width, c.heads * c.head_size, bias=False)
        self.attn_k = nn.Linear(c.width, c.kv_heads * c.head_size, bias=False)
        self.attn_v = nn.Linear(c.width, c.kv_heads * c.head_size, bias=False)
        self.attn_output = nn.Linear(c.heads * c.head_size, c.width, bias=False)
        self.ffn_norm = RMSNorm(c.width, c.eps)
        self.ffn_gate = nn.Linear(c.width, c.feed_forward, bias=False)
        self.ffn_up = nn.Linear(c.width, c.feed_forward, bias=False)
        self.ffn_down = nn.Linear(c.feed_forward, c.width, bias=False)

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        c = self.c
        h = self.attn_norm(x)
        q = rotate(self.attn_q(h).view(b, t, c.heads, c.head_size).transpose(1, 2), cos, sin)
        k = rotate(self.attn_k(h).view(b, t, c.kv_heads, c.head_size).transpose(1, 2), cos, sin)
        v = self.attn_v(h).view(b, t, c.kv_heads, c.head_size).transpose(1, 2)
        groups = c.heads // c.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        # Written out: PyTorch's fused attention took half of a training step on a CPU at this size, in its backward.
        a = torch.softmax(q @ k.mT * c.head_size**-0.5 + mask, -1) @ v  # (B, H, T, D)
        x = x + self.attn_output(a.transpose(1, 2).reshape(b, t, -1))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class TinyLlama(nn.Module):
    def __init__(self, c: TinyConfig, letters: list[int]):
        """`letters`: ids of A…J at the start of a line."""
        super().__init__()
        self.c = c
        self.token_embd = nn.Embedding(c.vocab, c.width)
        self.blk = nn.ModuleList([Block(c) for _ in range(c.layers)])
        self.output_norm = RMSNorm(c.width, c.eps)
        frequency = c.rope_base ** (-torch.arange(0, c.head_size, 2).float() / c.head_size)
        angle = torch.outer(torch.arange(c.context).float(), frequency)  # (T, D / 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.3 * p.shape[1] ** -0.5)
        self.prior(letters)

    @torch.no_grad()
    def prior(self, letters: list[int], match=5.0, option=6.0, lift=4.0):
        """Starts the model near the circuits that copying and comparing need; nothing is frozen.

        From random weights a model of this size was still at chance in naming the option that an observation shows
        after 1.1 M tokens; from here it is right 8 times in 10 after 0.3 M. At the start the width is split into a
        constant, the token's identity (`code`), and four places of one head size: what stood `before`, `two` and
        `three` tokens back, and a `letter`.

        Block 0 looks one, two and three tokens back: the constant gives query and key a direction, the fast rotary
        pairs the distance. Block 1, on the slow pairs, looks for the SAME token and takes what stood two and three
        before it, which for an option's value is its letter (`C. 888`, `C. Paris`); and for the token AFTER an earlier
        occurrence, which it copies (induction). Block 2 looks for places that hold a letter and writes it out.

        A token is most like itself: without `option`, which draws to places that stand behind a letter, an observation's
        number looked at itself (0.92) and not at its option (0.08), and a million tokens did not change that.
        """
        c, d = self.c, self.c.head_size
        group = c.heads // c.kv_heads
        n = c.width - 4 * d - 1
        code = slice(1, 1 + n)
        two, three, letter, before = (slice(1 + n + i * d, 1 + n + (i + 1) * d) for i in range(4))
        fast = 6  # rotary pairs
        slow = slice(2 * fast, d)
        head = [slice(h * d, (h + 1) * d) for h in range(c.heads)]
        copy = orthonormal(d, n)  # code -> what a place can hold
        e = self.token_embd.weight
        e.zero_()
        e[:, 0] = 1.0
        e[:, code] = torch.randn(c.vocab, n) * 0.5
        # What RMSNorm divides an embedding by.
        rms = ((1 + 0.25 * n) / c.width) ** 0.5

        self._look_back(self.blk[0], head, fast, rms, code, copy, (before, two, three))
        b = self.blk[1]
        same = orthonormal(d - 2 * fast, n) * match**0.5
        after = orthonormal(d - 2 * fast, d) * (2 * match) ** 0.5
        for k in range(c.kv_heads):
            b.attn_k.weight[head[k]].mul_(0.05)
            b.attn_v.weight[head[k]] = 0
            if k < 2:
                b.attn_k.weight[head[k]][slow, code] = same
                b.attn_v.weight[head[k]][:, (two, three)[k]] = torch.eye(d)
            else:
                b.attn_k.weight[head[k]][slow, before] = after
                b.attn_v.weight[head[k]][:, code] = copy
        for h in range(c.heads):
            k = h // group
            b.attn_q.weight[head[h]].mul_(0.05)
            b.attn_q.weight[head[h]][slow, code] = same if k < 2 else after @ copy
            b.attn_output.weight[:, head[h]] = 0
            if k < 2:
                b.attn_output.weight[letter, head[h]] = 2.0 / group * torch.eye(d)
            else:
                b.attn_output.weight[code, head[h]] = 0.5 / group * copy.T

        mean = (e[letters][:, code] @ copy.T).mean(0)  # what ten letters have in common
        mean /= mean.norm()
        way = torch.randn(d - 2 * fast)
        way /= way.norm()
        for k in range(2):
            for place in (two, three):
                b.attn_k.weight[head[k]][slow, place] += option * torch.outer(way, mean)
        for h in range(2 * group):
            b.attn_q.weight[head[h]][slow, 0] += option * way * rms

        z = self.blk[2]
        for k in range(c.kv_heads):
            z.attn_k.weight[head[k]].mul_(0.05)
            z.attn_k.weight[head[k]][slow, letter] = lift * torch.outer(way, mean)
            z.attn_v.weight[head[k]] = 0
            z.attn_v.weight[head[k]][:, letter] = torch.eye(d)
        for h in range(c.heads):
            z.attn_q.weight[head[h]].mul_(0.05)
            z.attn_q.weight[head[h]][slow, 0] = lift * way * rms
            z.attn_output.weight[:, head[h]] = 0
            z.attn_output.weight[code, head[h]] = copy.T * (0.7 / c.heads)

    def _look_back(self, block, head, fast, rms, code, copy, places):
        """Head h looks h % 3 + 1 tokens back and writes what stands there to its place."""
        c, d = self.c, self.c.head_size
        frequency = c.rope_base ** (-torch.arange(0, d, 2).float() / d)
        for k in range(c.kv_heads):
            block.attn_k.weight[head[k]].mul_(0.03)
            block.attn_k.weight[head[k]][0 : 2 * fast : 2, 0] = 3.0 * rms
            block.attn_v.weight[head[k]] = 0
            block.attn_v.weight[head[k]][:, code] = copy * rms
        for h in range(c.heads):
            # The key stands that much further back and was rotated so much less: turn the query back by as much.
            phase = -(h % 3 + 1) * frequency[:fast]
            block.attn_q.weight[head[h]].mul_(0.03)
            block.attn_q.weight[head[h]][0 : 2 * fast : 2, 0] = 3.0 * rms * phase.cos()
            block.attn_q.weight[head[h]][1 : 2 * fast : 2, 0] = 3.0 * rms * phase.sin()
            block.attn_output.weight[:, head[h]] = 0
            block.attn_output.weight[places[h % 3], head[h]] = 0.5 * torch.eye(d)

    def hidden(self, tokens):  # (B, T) -> (B, T, C), normed
        t = tokens.shape[1]
        x = self.token_embd(tokens)
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        mask = torch.full((t, t), float("-inf"), dtype=kind).triu(1)
        cos, sin = self.cos[:t].to(kind), self.sin[:t].to(kind)
        for block in self.blk:
            x = block(x, cos, sin, mask)
        return self.output_norm(x)

    def logits(self, hidden):  # (..., C) -> (..., V)
        return hidden @ self.token_embd.weight.T


def write_gguf(model: TinyLlama, tokenizer: "TinyTokenizer", path: str) -> None:  # noqa: F821
    c = model.c
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("spark-tiny")
    w.add_description("Tiny model for spark-rl's built-in questions; made by models/train_tiny.py")
    w.add_license("MIT")
    w.add_context_length(c.context)
    w.add_embedding_length(c.width)
    w.add_block_count(c.layers)
    w.add_feed_forward_length(c.feed_forward)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.kv_heads)
    w.add_key_length(c.head_size)
    w.add_value_length(c.head_size)
    w.add_layer_norm_rms_eps(c.eps)
    w.add_rope_dimension_count(c.head_size)
    w.add_rope_freq_base(c.rope_base)
    w.add_vocab_size(c.vocab)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_bool("spark.instructions", False)
    tokenizer.write(w)
    for name, p in model.named_parameters():
        data = p.detach().float().numpy()
        w.add_tensor(name, data if data.ndim == 1 else data.astype(np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
