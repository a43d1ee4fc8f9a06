"""The table that bench/gpu-check.sh ends with, and result.json: python3 bench/gpu-table.py FOLDER"""

import json
import pathlib
import subprocess
import sys

# Floors of an SFT step of Llama-3.1-8B with every token computed: 4 FLOP per block weight and token, the output head, causal
# attention (4 D H pairs forward, 10 backward), all at the rate of a large product measured in the same run.
BLOCK_WEIGHTS, HEAD_WEIGHTS, LAYERS, WIDTH = 6.98e9, 0.525e9, 32, 4096


def floor_seconds(length, flops):
    pairs = length * length / 2
    return (4 * (BLOCK_WEIGHTS + HEAD_WEIGHTS) * length + 14 * pairs * WIDTH * LAYERS) / flops


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def main():
    folder = pathlib.Path(sys.argv[1])
    ops = read(folder / "ops.json")
    result = {
        "date": output_of("date", "-u", "+%Y-%m-%d"),
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "device": output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        "ops": ops,
        "sft": {path.stem[4:]: read(path) for path in sorted(folder.glob("sft-*.json"))},
        "peers": {path.stem[5:]: read(path) for path in sorted(folder.glob("peer-*.json"))},
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    peers = {name: peer["tokens_per_second"] for name, peer in result["peers"].items() if peer}
    print(f"{result['device']}, commit {result['commit']}")
    for length, run in result["sft"].items():
        if not run:
            print(f"sft {length}: no result")
            continue
        rate = run["tokens_per_second"]
        line = f"sft {length:>5}: {rate:8,.0f} tokens/s"
        if ops:
            line += f", {100 * rate * floor_seconds(int(length), ops['flops']) / int(length):.0f} % of the floor"
        if int(length) == 4096:
            line += "".join(f", {rate / other:.2f} x {name}" for name, other in peers.items())
        print(line)
    for name, other in peers.items():
        print(f"peer {name}: {other:,.0f} tokens/s at 4096")


if __name__ == "__main__":
    main()
