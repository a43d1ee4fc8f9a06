"""What SFT and PPO share: the work file, padding, the optimizer, compilation."""

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    compile: bool
    autocast: bool  # products in bf16
    layout: str  # how PPO presents trajectories: stepwise, grouped or nested
    micro: int  # PPO: sequences per forward pass
    head: str  # SFT: all or rows


@dataclass(frozen=True)
class Step:
    sequence: int
    begin: int  # of its action tokens, within the trajectory
    end: int
    reward: float


class Work:
    """What `bench_train --export` wrote."""

    def __init__(self, folder: str):
        self.folder = folder
        with open(os.path.join(folder, "work.json")) as file:
            data = json.load(file)
        self.mode: str = data["mode"]
        self.learning_rate: float = data["learning_rate"]
        self.clip: float = data["clip"]
        self.kl_coefficient: float = data["kl_coefficient"]
        self.max_grad_norm: float = data["max_grad_norm"]
        self.batch_trajectories: int = data["batch_trajectories"]
        self._tokens = torch.tensor(data["tokens"])
        self._mask = torch.tensor(data["loss_mask"], dtype=torch.bool)
        self._cu: list[int] = data["cu_seqlens"]
        self.steps = [
            Step(s["sequence"], s["begin"] - self._cu[s["sequence"]], s["end"] - self._cu[s["sequence"]], s["reward"])
            for s in data["steps"]
        ]

    def _split(self, packed: Tensor) -> list[Tensor]:
        return [packed[a:b] for a, b in zip(self._cu, self._cu[1:])]

    def sequences(self) -> list[Tensor]:
        return self._split(self._tokens)

    def loss_masks(self) -> list[Tensor]:
        return self._split(self._mask)

    @property
    def token_count(self) -> int:
        return len(self._tokens)


def padded(rows: list[Tensor], fill: int = 0) -> tuple[Tensor, Tensor]:
    """(B, longest) padded on the right, and the attention mask."""
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=fill)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(ids.shape[1])[None, :] < lengths[:, None]


class Optimizer:
    """AdamW behind a global-norm clip; leaves no gradient behind."""

    def __init__(self, parameters: list[nn.Parameter], learning_rate: float, max_grad_norm: float):
        self._parameters, self._max_grad_norm = parameters, max_grad_norm
        self._adamw = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)

    def step(self) -> None:
        nn.utils.clip_grad_norm_(self._parameters, self._max_grad_norm)
        self._adamw.step()
        self._adamw.zero_grad()


def make_optimizer(parameters: Iterable[nn.Parameter], work: Work) -> Optimizer:
    return Optimizer([p for p in parameters if p.requires_grad], work.learning_rate, work.max_grad_norm)


def autocast(settings: Settings) -> contextlib.AbstractContextManager:
    return torch.autocast("cpu", torch.bfloat16) if settings.autocast else contextlib.nullcontext()


def compiled(module, settings: Settings, fixed: bool):
    """Shapes that never change are compiled as constants; others as symbols, once, so that no length recompiles."""
    if not settings.compile:
        return module
    # Actor, critic and reference run the same code, with gradients and without: past the usual limit of eight graphs
    # for one function, torch.compile would quietly go back to eager.
    torch._dynamo.config.recompile_limit = 64
    return torch.compile(module, dynamic=not fixed)
