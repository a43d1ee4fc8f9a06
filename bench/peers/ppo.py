"""One PPO iteration: old log-probs, reference log-probs, values, then one epoch of actor and critic updates.

Three layouts of the same work, with the same losses:

  stepwise  every step is a sequence of its own, its state before its action, in shuffled padded micro-batches: what
            Python stacks do with multi-step trajectories
  grouped   the same with sequences of like length together: less padding than stacks that shuffle have
  nested    every trajectory once, padded; all its steps and values from one pass: our own idea, in PyTorch

The critic reads V(s_t) at the last token of s_t: stepwise it is given the state alone. The output projection meets only
the rows of action tokens, and actor, critic and reference share one copy of the frozen weights; few stacks do as well.
"""

import random
from dataclasses import dataclass

import torch
from common import Settings, Work, autocast, compiled, make_optimizer, padded
from llama import ValueHead, Weights, make_base, with_adapter
from measure import Repeat
from torch import Tensor


@dataclass
class Row:
    """One sequence as a model is given it; positions are within it."""

    tokens: Tensor  # (n)
    targets: Tensor  # positions of action tokens
    value_at: Tensor  # last tokens of states
    rewards: Tensor  # one per state
    step_of: Tensor  # of each action token, an index into value_at
    old: Tensor | None = None
    reference: Tensor | None = None
    advantage: Tensor | None = None  # per action token


def actor_rows(work: Work, first: int, last: int, nested: bool) -> list[Row]:
    """Rows of trajectories first to last: one per trajectory, or one per step."""
    rows = []
    for sequence, tokens in enumerate(work.sequences()):
        if not first <= sequence < last:
            continue
        steps = [step for step in work.steps if step.sequence == sequence]
        for group in [steps] if nested else [[step] for step in steps]:
            rows.append(
                Row(
                    tokens=tokens if nested else tokens[: group[-1].end],
                    targets=torch.cat([torch.arange(s.begin, s.end) for s in group]),
                    value_at=torch.tensor([s.begin - 1 for s in group]),
                    rewards=torch.tensor([s.reward for s in group]),
                    step_of=torch.cat([torch.full((s.end - s.begin,), i) for i, s in enumerate(group)]),
                )
            )
    return rows


class Ppo:
    def __init__(self, work: Work, weights: Weights, settings: Settings):
        self.work, self.settings = work, settings
        self.nested = settings.layout == "nested"
        self.draw = random.Random(1)
        actor, critic = with_adapter(weights, work.folder + "/actor"), with_adapter(weights, work.folder + "/critic")
        self.head = ValueHead(work.folder)
        self.actor_optimizer = make_optimizer(actor.parameters(), work)
        self.critic_optimizer = make_optimizer([*critic.parameters(), *self.head.parameters()], work)
        self.lm_head = actor.base_model.model.lm_head
        self.actor = compiled(actor.base_model.model.model, settings, fixed=False)
        self.critic = compiled(critic.base_model.model.model, settings, fixed=False)
        self.reference = compiled(make_base(weights).model, settings, fixed=False)
        self.token_logprobs = compiled(self._token_logprobs, settings, fixed=False)
        count = len(work.sequences())
        self.batches = [
            actor_rows(work, first, first + work.batch_trajectories, self.nested)
            for first in range(0, count, work.batch_trajectories)
        ]

    def micro_batches(self, rows: list[Row], length) -> list[list[Row]]:
        order = list(rows)
        if self.settings.layout == "grouped":
            order.sort(key=length)
        else:
            self.draw.shuffle(order)
        return [order[i : i + self.settings.micro] for i in range(0, len(order), self.settings.micro)]

    def by_action(self, rows: list[Row]) -> list[list[Row]]:
        return self.micro_batches(rows, lambda row: len(row.tokens))

    def by_state(self, rows: list[Row]) -> list[list[Row]]:
        return self.micro_batches(rows, lambda row: int(row.value_at[-1]))

    def _token_logprobs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        logits = self.lm_head(hidden).float()
        return logits.gather(1, targets[:, None]).squeeze(1) - logits.logsumexp(1)

    def logprobs(self, model, rows: list[Row]) -> Tensor:
        """Of all action tokens of the rows, one after the other."""
        ids, mask = padded([row.tokens for row in rows])
        with autocast(self.settings):
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
            which = torch.cat([torch.full_like(row.targets, i) for i, row in enumerate(rows)])
            at = torch.cat([row.targets for row in rows])
            return self.token_logprobs(hidden[which, at - 1], ids[which, at])

    def values(self, rows: list[Row]) -> Tensor:
        """Of all states of the rows. A step's row is cut after its state: nothing behind it can matter."""
        ids, mask = padded([row.tokens if self.nested else row.tokens[: row.value_at[-1] + 1] for row in rows])
        with autocast(self.settings):
            hidden = self.critic(input_ids=ids, attention_mask=mask).last_hidden_state
        which = torch.cat([torch.full_like(row.value_at, i) for i, row in enumerate(rows)])
        return self.head(hidden[which, torch.cat([row.value_at for row in rows])])

    @torch.no_grad()
    def take_buffers(self, rows: list[Row]) -> None:
        for micro in self.by_action(rows):
            sizes = [len(row.targets) for row in micro]
            old, reference = self.logprobs(self.actor, micro), self.logprobs(self.reference, micro)
            for row, o, r in zip(micro, old.split(sizes), reference.split(sizes)):
                row.old, row.reference = o, r
        for micro in self.by_state(rows):
            for row, values in zip(micro, self.values(micro).split([len(row.value_at) for row in micro])):
                row.advantage = (row.rewards - values)[row.step_of]

    def update_actor(self, rows: list[Row]) -> float:
        """Means over all action tokens of the batch, gathered micro-batch by micro-batch."""
        count, total = sum(len(row.targets) for row in rows), 0.0
        clip = self.work.clip
        for micro in self.by_action(rows):
            lp = self.logprobs(self.actor, micro)
            old, reference, advantage = (
                torch.cat([getattr(row, name) for row in micro]) for name in ("old", "reference", "advantage")
            )
            ratio = (lp - old).exp()
            policy = -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).sum()
            kl = 0.5 * (lp - reference).square().sum()
            loss = (policy + self.work.kl_coefficient * kl) / count
            loss.backward()
            total += loss.item()
        self.actor_optimizer.step()
        return total

    def update_critic(self, rows: list[Row]) -> float:
        count, total = sum(len(row.rewards) for row in rows), 0.0
        for micro in self.by_state(rows):
            loss = (self.values(micro) - torch.cat([row.rewards for row in micro])).square().sum() / count
            loss.backward()
            total += loss.item()
        self.critic_optimizer.step()
        return total

    def iteration(self) -> dict[str, float]:
        for rows in self.batches:
            self.take_buffers(rows)
        policy = value = 0.0
        for rows in self.batches:
            policy += self.update_actor(rows)
            value += self.update_critic(rows)
        return {"policy": policy / len(self.batches), "value": value / len(self.batches)}


def ppo_repeat(work: Work, weights: Weights, settings: Settings) -> Repeat:
    return Ppo(work, weights, settings).iteration
