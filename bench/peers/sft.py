"""One LoRA SFT step: forward with labels, backward, clip, AdamW. What `Trainer` does, without its bookkeeping."""

import torch
from common import Settings, Work, autocast, compiled, make_optimizer, padded
from llama import Weights, with_adapter
from measure import Repeat


def sft_repeat(work: Work, weights: Weights, settings: Settings) -> Repeat:
    peft = with_adapter(weights, work.folder + "/actor")
    optimizer = make_optimizer(peft.parameters(), work)
    model = compiled(peft, settings, fixed=True)
    ids, mask = padded(work.sequences())
    labels, _ = padded(
        [torch.where(loss, tokens, -100) for tokens, loss in zip(work.sequences(), work.loss_masks())], fill=-100
    )
    # Without padding there is no mask to apply, and attention takes its fastest path.
    inputs = {"input_ids": ids, "labels": labels} | ({} if bool(mask.all()) else {"attention_mask": mask})

    def repeat() -> dict[str, float]:
        with autocast(settings):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        return {"sft": loss.item()}

    return repeat
