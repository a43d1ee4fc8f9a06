"""One LoRA SFT step: forward, loss, backward, clip, AdamW. What `Trainer` does, without its bookkeeping.

`--head all` takes the loss as transformers computes it, from the logits of every position. `--head rows` is a peer
tuned by hand: only positions that carry a loss meet the output projection, as in our engine.
"""

import torch
from common import Settings, Work, autocast, compiled, make_optimizer, padded
from llama import Weights, with_adapter
from measure import Repeat
from torch import Tensor, nn


class RowsLoss(nn.Module):
    def __init__(self, causal: nn.Module, labels: Tensor):
        super().__init__()
        self.trunk, self.lm_head = causal.model, causal.lm_head
        shifted = nn.functional.pad(labels[:, 1:], (0, 1), value=-100).flatten()
        self.register_buffer("rows", (shifted != -100).nonzero().squeeze(1))
        self.register_buffer("targets", shifted[self.rows])

    def forward(self, **inputs: Tensor) -> Tensor:
        hidden = self.trunk(**inputs).last_hidden_state.flatten(0, 1)
        return nn.functional.cross_entropy(self.lm_head(hidden[self.rows]).float(), self.targets)


def sft_repeat(work: Work, weights: Weights, settings: Settings) -> Repeat:
    peft = with_adapter(weights, work.folder + "/actor")
    optimizer = make_optimizer(peft.parameters(), work)
    ids, mask = padded(work.sequences())
    labels, _ = padded(
        [torch.where(loss, tokens, -100) for tokens, loss in zip(work.sequences(), work.loss_masks())], fill=-100
    )
    # Without padding there is no mask to apply, and attention takes its fastest path.
    inputs = {"input_ids": ids} | ({} if bool(mask.all()) else {"attention_mask": mask})
    if settings.head == "rows":
        loss_of = compiled(RowsLoss(peft.base_model.model, labels), settings, fixed=True)
    else:
        model = compiled(peft, settings, fixed=True)

        def loss_of(**given: Tensor) -> Tensor:
            return model(**given, labels=labels).loss

    def repeat() -> dict[str, float]:
        with autocast(settings):
            loss = loss_of(**inputs)
        loss.backward()
        optimizer.step()
        return {"sft": loss.item()}

    return repeat
