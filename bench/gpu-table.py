"""The table that bench/gpu-check.sh ends with.

    python3 bench/gpu-table.py [--out result.json] SOURCE …

A SOURCE is the folder where measurements gathered (one NAME.json each) or a result.json that this program wrote, on
another day or in another call: later ones replace earlier measurements of the same name. --out writes all of them as
one file, each with when, where and on which commit it was made.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess

# Targets for one H200 at the shape of Llama-3.1-8B.
SFT_TOKENS_PER_SECOND, SFT_TIMES_BEST_PEER = {"bf16": 20_000, "fp8": 24_000}, 1.5
WAYS = ("eager", "compiled", "liger")  # of the PyTorch steps
PPO_SECONDS_PER_MILLION = {"ppo-bf16": 98, "ppo-one-trunk-bf16": 51}
LEAN_BYTES = 6.5e9
EIGHT_B = {"C": 4096, "L": 32, "F": 14336, "V": 128256}
# What a large bf16 product reaches on an H200, for when the run has not measured it.
H200_FLOPS = 790e12


def floor_flop(run):
    """FLOP that a step cannot do without: no gradient of a frozen weight is computed, so a weight costs 4 per token
    (forward 2, input gradient 2), a LoRA parameter 6, and a pair of tokens in causal attention 4 a head dimension
    forward and 10 backward. The output head meets the rows with a loss. Of PPO, one epoch of actor and critic."""
    m, tokens = run["model"], run.get("packed_tokens", run["tokens"])
    width, q, kv, feed, layers = m["C"], m["H"] * m["D"], m["K"] * m["D"], m["F"], m["L"]
    block = layers * (width * (q + 2 * kv) + q * width + 3 * width * feed)
    lora = layers * run["rank"] * (2 * (width + q) + 2 * (width + kv) + 3 * (width + feed))
    trunk = (4 * block + 6 * lora) * tokens + 14 * run["attention_pairs"] * q * layers
    head = 4 * width * m["V"] * run["loss_tokens"]
    trunks = 1 if run.get("one_trunk") else 2
    return {"sft": trunk + head, "critic": trunk, "ppo": trunks * trunk + head}[run["mode"]]


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def natural(item):
    """Names in the order of the numbers in them: 128 after 64."""
    return [int(word) if word.isdigit() else word for word in re.split(r"(\d+)", item[0])]


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def here():
    return {
        "date": datetime.date.today().isoformat(),
        "commit": os.environ.get("COMMIT") or output_of("git", "describe", "--always", "--dirty") or "unknown",
        "device": os.environ.get("DEVICE") or "not said",
    }


def gather(source):
    """{name: measurement} of a folder or of a result.json."""
    path = pathlib.Path(source)
    if not path.is_dir():
        return (read(path) or {}).get("measurements", {})
    at, all_of_them = here(), {}
    for file in sorted(path.glob("*.json")):
        document = read(file)
        if document is None:
            print(f"{file.name}: not JSON, left out")
            continue
        document["at"] = {**at, "date": datetime.date.fromtimestamp(file.stat().st_mtime).isoformat()}
        command = file.with_suffix(".command")  # its commit and its command line: older than this call perhaps
        if command.exists():
            document["at"]["commit"], _, document["command"] = command.read_text().strip().partition("\n")
        all_of_them[file.stem] = document
    return all_of_them


def print_parts(measurements):
    parts = [m for name, m in measurements.items() if name.startswith("part-")]
    if parts:
        print("parts: " + ", ".join(f"{p['part']} {p['outcome']} ({p['seconds']} s)" for p in parts))


def print_ops(ops, ampere):
    print(f"\n{ops['device']}")
    print(f"ceilings: product {ops['flops'] * 1e-12:.0f} TFLOP/s, memory {ops['bytes_per_second'] * 1e-12:.2f} TB/s")
    print(f"{'op':<34} {'ms':>9} {'floor ms':>9} {'share':>6}  bound by")
    for op in ops["ops"] + [{**op, "name": op["name"] + ", mma.sync"} for op in ampere.get("ops", [])]:
        print(f"{op['name']:<34} {op['ms']:9.4f} {op['floor_ms']:9.4f} {100 * op['share']:5.0f} %  {op['bound']}")


def print_probe(probe):
    print(f"\n{'product':<26} {'m x n x k':>20} {'type':<22} {'first':>6} {'best':>6}  TFLOP/s")
    for p in probe["products"]:
        rates = f"{p['first_tflops']:6.0f} {p['best_tflops']:6.0f}" if p["offered"] else f"not offered: {p['why']}"
        print(f"{p['product']:<26} {p['m']:>6} {p['n']:>6} {p['k']:>6} {p['type']:<22} {rates}")


def print_soak(soak):
    print(f"\n{soak['steps']} steps: losses {'finite' if soak['finite'] else 'NOT FINITE'}, memory "
          f"{'flat' if soak['memory_flat'] else 'NOT FLAT'} ({soak['bytes_early'] * 1e-9:.3f}, {soak['bytes_late'] * 1e-9:.3f} GB), "
          f"{soak['ms_first']:.1f} ms at first, {soak['ms_last']:.1f} at last, {soak['ms_longest']:.1f} at most; "
          f"{soak['resumed_steps']} steps after resume {'the same bits' if soak['resumed_exactly'] else 'DIFFERENT'}")


def rate_of(run):
    """Tokens per second of the updates: what the floor is about. Of PPO without its log-probs and values."""
    return run["parts"]["epoch"]["tokens_per_second"] if run["mode"] == "ppo" else run["tokens_per_second"]


def peers_of(measurements, name):
    """Tokens per second of the PyTorch steps of the same kind and length: {eager: …, compiled: …, liger: …}."""
    kind, _, length = name.split("-") if name.count("-") == 2 else (None, None, None)
    found = {way: measurements.get(f"peer-{kind}-{way}-{length}") for way in WAYS}
    run, other = measurements[name], next((peer for peer in found.values() if peer), None)
    same_model = other and other["layers"] == run["model"]["L"] and other["width"] == run["model"]["C"]
    return {way: peer["tokens_per_second"] for way, peer in found.items() if peer} if same_model else {}


def print_steps(measurements, runs, flops):
    if not runs:
        return
    print(f"\n{'step':<22} {'tokens/s':>9} {'of floor':>8} {'x eager':>8} {'x compiled':>10} {'x liger':>8} "
          f"{'peak GB':>8} {'planned':>8}  recompute")
    for name, run in runs.items():
        rate, peers = rate_of(run), peers_of(measurements, name)
        share = f"{100 * rate * floor_flop(run) / run['tokens'] / flops:.1f} %" if flops else "-"
        times = [f"{rate / peers[way]:.2f}" if way in peers else "-" for way in WAYS]
        plan = run.get("planned") or {"total_bytes": 0, "recompute": "?"}
        print(f"{name:<22} {rate:9,.0f} {share:>8} {times[0]:>8} {times[1]:>10} {times[2]:>8} {run['peak_bytes'] * 1e-9:8.2f} "
              f"{plan['total_bytes'] * 1e-9:8.2f}  {plan['recompute']}")
        if run["mode"] == "ppo":
            parts = run["parts"]
            buffers = parts.get("buffers") or parts["scoring"]  # its name in the runs before 2026-11-27
            print(f"  a million unique tokens: epoch {parts['epoch']['seconds_per_million_tokens']:.1f} s, log-probs and "
                  f"values {buffers['seconds_per_million_tokens']:.1f} s; {run['stepwise_tokens'] / run['tokens']:.2f} "
                  "logical tokens a unique one")
    for name, peer in measurements.items():
        if name.startswith("peer-"):
            print(f"{name:<22} {peer['tokens_per_second']:9,.0f} {'':8} {'':8} {'':10} {'':8} {peer['peak_bytes'] * 1e-9:8.2f}"
                  f"           {peer['layers']} layers, torch {peer['torch']}")


def print_targets(measurements, runs):
    def line(what, value, holds):
        print(f"  {'held  ' if holds else 'MISSED'} {what}: {value}")

    def big(name):
        run = runs.get(name)
        on_gpu = run and run["model"].get("backend") != "cpu"
        return run if on_gpu and all(run["model"][k] == v for k, v in EIGHT_B.items()) else None

    sfts = {compute: big(f"sft-{compute}-4096") for compute in SFT_TOKENS_PER_SECOND if big(f"sft-{compute}-4096")}
    epochs = {name: big(name) for name in PPO_SECONDS_PER_MILLION if big(name)}
    lean = next((run for name, run in runs.items() if name.startswith("lean-") and big(name)), None)
    if not (sfts or epochs or lean):
        return
    print("\ntargets")
    for compute, sft in sfts.items():
        rate, least = sft["tokens_per_second"], SFT_TOKENS_PER_SECOND[compute]
        line(f"SFT, 4096, {compute}: {least:,} tokens/s", f"{rate:,.0f}", rate >= least)
        peers = peers_of(measurements, f"sft-{compute}-4096")
        if peers:
            way = max(peers, key=peers.get)
            line(f"  {SFT_TIMES_BEST_PEER} x the fastest of {', '.join(peers)} ({way})", f"{rate / peers[way]:.2f}",
                 rate >= SFT_TIMES_BEST_PEER * peers[way])
    for name, run in epochs.items():
        took, most = run["parts"]["epoch"]["seconds_per_million_tokens"], PPO_SECONDS_PER_MILLION[name]
        trunks = "one trunk" if run.get("one_trunk") else "two trunks"
        line(f"PPO epoch, {trunks}: {most} s a million unique tokens", f"{took:.1f}", took <= most)
    nested, stepwise = big("ppo-bf16"), big("ppo-stepwise-bf16")
    if nested and stepwise:
        times = stepwise["parts"]["epoch"]["seconds_per_million_tokens"] / nested["parts"]["epoch"]["seconds_per_million_tokens"]
        tokens = stepwise["packed_tokens"] / nested["packed_tokens"]
        print(f"         all states of a trajectory in one pass: {times:.2f} x as fast as step by step, which computes {tokens:.2f} x the tokens")
    if lean:
        peak = lean["peak_bytes"]
        line(f"lean, 4-bit file, 4096 tokens: {LEAN_BYTES * 1e-9} GB", f"{peak * 1e-9:.2f}", peak <= LEAN_BYTES)


def print_ladder(measurements):
    ladders = {name[7:]: m for name, m in measurements.items() if name.startswith("ladder-")}
    if not ladders:
        return
    print(f"\n{'ladder':<14} " + " ".join(f"{backend + ' accuracy, entropy':>26}" for backend in ladders))
    stages = [stage["name"] for stage in next(iter(ladders.values()))["stages"]]
    for stage in stages:
        cells = []
        for ladder in ladders.values():
            found = next((s["evaluation"] for s in ladder["stages"] if s["name"] == stage), None)
            cells.append(f"{100 * found['accuracy']:15.1f} %, {found['entropyBits']:.2f}" if found else "-")
        print(f"{stage:<14} " + " ".join(f"{cell:>26}" for cell in cells))
    if "cpu" in ladders and "cuda" in ladders:
        for problem in ladder_problems(ladders["cpu"], ladders["cuda"]):
            print(f"  {problem}")


def ladder_problems(cpu, cuda):
    """Stages whose 95 % intervals do not meet: bf16 on the GPU and fp32 on the CPU sample differently, chance apart they
    should learn the same."""
    others = {s["name"]: s["evaluation"] for s in cuda["stages"]}
    for stage in cpu["stages"]:
        ours, theirs = stage["evaluation"], others.get(stage["name"])
        if theirs is None:
            yield f"{stage['name']}: not on the GPU"
        elif ours["low"] > theirs["high"] or theirs["low"] > ours["high"]:
            yield f"DIFFERS: {stage['name']}, {100 * ours['accuracy']:.1f} % on the CPU, {100 * theirs['accuracy']:.1f} % on the GPU"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--out")
    args = parser.parse_args()
    measurements = {}
    for source in args.sources:
        measurements.update(gather(source))
    if args.out:
        pathlib.Path(args.out).write_text(json.dumps({"measurements": measurements}, indent=1) + "\n")
    for made in sorted({(m["at"]["device"], m["at"]["commit"], m["at"]["date"]) for m in measurements.values()}):
        print("{}, commit {}, {}".format(*made))
    print_parts(measurements)
    ops = measurements.get("ops")
    if ops:
        print_ops(ops, measurements.get("ops-ampere", {}))
    if "ops-fp8" in measurements:
        print_ops(measurements["ops-fp8"], {})
    if "probe" in measurements:
        print_probe(measurements["probe"])
    if "soak" in measurements:
        print_soak(measurements["soak"])
    measurements = dict(sorted(measurements.items(), key=natural))
    runs = {name: m for name, m in measurements.items() if "mode" in m and "attention_pairs" in m}
    h200 = any("H200" in m["at"]["device"] for m in measurements.values())
    flops = ops["flops"] if ops else H200_FLOPS if h200 else None
    print_steps(measurements, runs, flops)
    print_targets(measurements, runs)
    print_ladder(measurements)
    for name in ("kernels", "kernels-fp8"):
        if name not in measurements:
            continue
        print(f"\nkernels of two steps of four blocks{', fp8' if name.endswith('fp8') else ''}")
        for kernel in measurements[name]["kernels"][:12]:
            print(f"  {kernel['ms']:9.3f} ms {100 * kernel['share']:5.1f} % {kernel['calls']:6d} x  {kernel['name']}")
    for name in ("trace-bf16", "trace-fp8"):
        if name in measurements:
            print_trace(name.removeprefix("trace-"), measurements[name])


def print_trace(compute, trace):
    print(
        f"\na step of {trace['span_ms']:.1f} ms as it ran, {compute}: {trace['launches']} kernels of {trace['kernels_ms']:.1f} ms, "
        f"gaps {trace['gaps_ms']:.1f} ms ({trace['gap_us_median']:.1f} µs at the median)"
    )
    for kernel in trace["kernels"][:16]:
        print(f"  {kernel['ms']:9.3f} ms {100 * kernel['share']:5.1f} % {kernel['calls']:6d} x  {kernel['name']}")


if __name__ == "__main__":
    main()
