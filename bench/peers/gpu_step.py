"""A LoRA step of a Llama in PyTorch + transformers + PEFT on a GPU, random weights made on the device.

    python3 bench/peers/gpu_step.py [--kind sft|critic] [--way eager|compiled|liger] [--length 4096] [--rank 16]
                                    [--layers 32] [--width 8b|tiny] [--device cuda|cpu] [--repeats 5]

bf16 weights, fp32 LoRA parameters under autocast, scaled-dot-product attention, every token with a loss, AdamW (fused).
The critic reads a value every 512 tokens with an MLP head. --width 8b is the shape of Llama-3.1-8B, tiny (and --device
cpu) are for trying the code. Prints one JSON line: median milliseconds, tokens per second, peak memory.

  eager     as transformers and PEFT come
  compiled  torch.compile layer by layer, one compilation for all of them, and the output projection with its loss.
            Compiled as a whole, transformers builds a full causal mask and attention is no longer flash attention
  liger     liger-kernel's kernels for Llama: norm, rotation, swiglu, and the loss fused with the output projection
"""

import argparse
import json
import resource
import statistics
import time

import torch
from peft import LoraConfig, get_peft_model
from torch._dynamo.utils import counters
from transformers import LlamaConfig, LlamaForCausalLM

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WIDTHS = {
    "8b": {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
           "intermediate_size": 14336, "vocab_size": 128256},
    "tiny": {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
             "intermediate_size": 160, "vocab_size": 512},
}
VALUE_EVERY = 512


def make_model(way, width, layers, rank, length, device):
    if way == "liger":
        from liger_kernel.transformers import apply_liger_kernel_to_llama

        apply_liger_kernel_to_llama(cross_entropy=False, fused_linear_cross_entropy=True)
    # rope_theta stays the default: it changes no shape, and its place in the configuration moved between versions.
    config = LlamaConfig(**WIDTHS[width], num_hidden_layers=layers, max_position_embeddings=max(8192, length),
                         tie_word_embeddings=False, attn_implementation="sdpa", use_cache=False)
    torch.manual_seed(1)
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    model = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=PROJECTIONS))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    model.train()
    return model


def token_loss(head, states, tokens):
    """Mean −log p of every token but the first, from states (1, N, C)."""
    logits = head(states[:, :-1]).float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def make_loss(kind, way, model, device):
    """The loss of a step as a function of its tokens, and parameters beside LoRA's."""
    trunk = model.base_model.model.model
    if way == "compiled":
        for layer in trunk.layers:
            layer.compile(dynamic=False)
    if kind == "sft" and way == "compiled":  # the loss is inside: eager would spend its time on the logits
        fused, output = torch.compile(token_loss, dynamic=False), model.base_model.model.lm_head
        return (lambda tokens: fused(output, trunk(input_ids=tokens).last_hidden_state, tokens)), []
    if kind == "sft":
        return (lambda tokens: model(input_ids=tokens, labels=tokens).loss), []
    size = trunk.config.hidden_size
    head = torch.nn.Sequential(torch.nn.Linear(size, size), torch.nn.SiLU(), torch.nn.Linear(size, 1)).to(device)

    def loss(tokens):
        states = trunk(input_ids=tokens).last_hidden_state[:, ::VALUE_EVERY]
        return (head(states.float()) - 0.5).square().mean()

    return loss, list(head.parameters())


class Clock:
    """Milliseconds since the last tick, of the device where there is one."""

    def __init__(self, device):
        self.on_gpu = device == "cuda"
        self.tick()

    def tick(self):
        if self.on_gpu:
            torch.cuda.synchronize()
        now = time.perf_counter()
        passed, self.last = (now - getattr(self, "last", now)) * 1e3, now
        return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["sft", "critic"], default="sft")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--width", choices=sorted(WIDTHS), default="8b")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=["eager", "compiled", "liger"], default="eager")
    args = parser.parse_args()

    on_gpu = args.device == "cuda"
    started = time.perf_counter()
    model = make_model(args.way, args.width, args.layers, args.rank, args.length, args.device)
    loss_of, head = make_loss(args.kind, args.way, model, args.device)
    trained = [p for p in model.parameters() if p.requires_grad] + head
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    tokens = torch.randint(0, model.config.vocab_size, (1, args.length), device=args.device)

    def step():
        with torch.autocast(args.device, dtype=torch.bfloat16):
            loss = loss_of(tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    losses = [step().item() for _ in range(3)]
    clock = Clock(args.device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    warm_seconds, times = time.perf_counter() - started, []
    for _ in range(args.repeats):
        step()
        times.append(clock.tick())
    median = statistics.median(times)
    print(json.dumps({
        "peer": args.way, "kind": args.kind, "length": args.length, "layers": args.layers,
        "width": model.config.hidden_size, "rank": args.rank, "trained_parameters": sum(p.numel() for p in trained),
        "ms_median": median, "ms": times, "tokens_per_second": args.length / median * 1e3, "losses": losses,
        "warm_seconds": warm_seconds, "graph_breaks": sum(counters["graph_break"].values()),
        "peak_bytes": torch.cuda.max_memory_allocated() if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "reserved_bytes": torch.cuda.max_memory_reserved() if on_gpu else 0,
        "torch": torch.__version__, "device": torch.cuda.get_device_name() if on_gpu else "cpu",
    }))


if __name__ == "__main__":
    main()
