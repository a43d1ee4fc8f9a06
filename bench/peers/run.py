#!/usr/bin/env python3
"""The work of native/bench/train.cpp in PyTorch + transformers + PEFT: same weights, same data, same losses.

    bench_model 30m 30m.gguf
    bench_train 30m.gguf sft --export work
    python3 bench/peers/run.py 30m.gguf work [--compile] [--dtype f32|bf16] [--threads N] [--repeats 5] [--warmup 2]
                               [--layout stepwise|grouped|nested] [--micro 4] [--head all|rows] [--turns]

Prints one JSON document of the form that bench_train prints; `--turns` is its protocol too. Needs
`pip install -r bench/peers/requirements.txt`. `npm run bench` runs both sides in turn and compares.

`--dtype bf16` keeps the frozen weights in bf16, A, B and the value head in fp32, and computes under bf16 autocast.
"""

import argparse
import json
import os
import sys
import warnings

import peft
import torch
import transformers
from common import Settings, Work
from llama import read_weights
from measure import Runner
from ppo import ppo_repeat
from sft import sft_repeat


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="GGUF that bench_model wrote")
    parser.add_argument("work", help="folder that bench_train --export wrote")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2, help="repeats before the clock counts, compilation in them")
    parser.add_argument("--layout", choices=["stepwise", "grouped", "nested"], default="stepwise", help="PPO only")
    parser.add_argument("--micro", type=int, default=4, help="PPO: sequences per forward pass")
    parser.add_argument("--head", choices=["all", "rows"], default="all", help="SFT: which positions get logits")
    parser.add_argument("--turns", action="store_true", help="take turns with another program over stdin and stdout")
    return parser.parse_args()


def main() -> None:
    args = parse()
    warnings.filterwarnings("ignore")
    # Whatever libraries print belongs to stderr: stdout carries JSON.
    stdout, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(args.threads or os.cpu_count() or 1)
    torch.manual_seed(1)
    bf16 = args.dtype == "bf16"
    work = Work(args.work)
    weights = read_weights(args.model, torch.bfloat16 if bf16 else torch.float32)
    settings = Settings(compile=args.compile, autocast=bf16, layout=args.layout, micro=args.micro, head=args.head)
    runner = Runner((ppo_repeat if work.mode == "ppo" else sft_repeat)(work, weights, settings))
    warm_seconds = runner.warm(args.warmup)
    sys.stdout = stdout
    if args.turns:
        runner.take_turns()
    else:
        runner.run(args.repeats)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    document = runner.document(work.token_count) | {
        "mode": work.mode,
        "warm_seconds": warm_seconds,
        "threads": torch.get_num_threads(),
        "settings": vars(args),
        "versions": versions,
    }
    print(json.dumps(document, indent=None if args.turns else 2), flush=True)


if __name__ == "__main__":
    main()
