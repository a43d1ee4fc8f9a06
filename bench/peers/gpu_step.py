"""A LoRA step of a Llama of the 8B shape in PyTorch + transformers + PEFT on a GPU, random weights made on the device.

    python3 bench/peers/gpu_step.py [--kind sft|critic] [--length 4096] [--rank 16] [--compile] [--layers 32]

bf16 weights, fp32 LoRA parameters under autocast, scaled-dot-product attention, every token with a loss, AdamW (fused).
Prints one JSON line: median milliseconds, tokens per second, peak device memory.
"""

import argparse
import json
import statistics

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make_model(layers, rank, length):
    config = LlamaConfig(
        hidden_size=4096, num_hidden_layers=layers, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
        intermediate_size=14336, vocab_size=128256, max_position_embeddings=max(8192, length), rope_theta=500000.0,
        tie_word_embeddings=False, attn_implementation="sdpa", use_cache=False,
    )
    torch.manual_seed(1)
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    model = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=PROJECTIONS))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def sft_loss(model, tokens):
    return model(input_ids=tokens, labels=tokens).loss


def make_critic_loss(model):
    trunk = model.base_model.model.model
    head = torch.nn.Sequential(torch.nn.Linear(4096, 4096), torch.nn.SiLU(), torch.nn.Linear(4096, 1)).cuda()

    def loss(_, tokens):
        states = trunk(input_ids=tokens).last_hidden_state[:, ::512]
        return head(states.float()).square().mean()

    return loss, list(head.parameters())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["sft", "critic"], default="sft")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()

    model = make_model(args.layers, args.rank, args.length)
    loss_of, extra = (sft_loss, []) if args.kind == "sft" else make_critic_loss(model)
    trained = [p for p in model.parameters() if p.requires_grad] + extra
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    run = torch.compile(model) if args.compile and args.kind == "sft" else model
    if args.compile and args.kind == "critic":
        model.base_model.model.model.compile()
    tokens = torch.randint(0, 128256, (1, args.length), device="cuda")

    def step():
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = loss_of(run, tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(args.repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        step()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    median = statistics.median(times)
    print(json.dumps({
        "peer": "compiled" if args.compile else "eager", "kind": args.kind, "length": args.length, "layers": args.layers,
        "rank": args.rank, "ms_median": median, "ms": times, "tokens_per_second": args.length / median * 1e3,
        "peak_bytes": torch.cuda.max_memory_allocated(), "torch": torch.__version__,
        "device": torch.cuda.get_device_name(),
    }))


if __name__ == "__main__":
    main()
