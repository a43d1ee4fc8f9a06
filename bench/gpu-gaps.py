"""A training step by its kernels as they ran, and the gaps between them, as JSON: python3 bench/gpu-gaps.py TRACE.csv

TRACE.csv is what native/bench/cupti/trace.cpp writes. A step ends with the optimizer's kernel; the first steps warm up, so
the figures are of the step with the median span of the rest.
"""

import collections
import json
import statistics
import sys


def short(mangled):
    """The last parts of a name as C++ mangles it, without its arguments, or the name of a library's kernel."""
    if not mangled.startswith("_ZN"):
        return mangled[:100]
    parts, at = [], 3
    while at < len(mangled) and mangled[at].isdigit():
        end = at
        while mangled[end].isdigit():
            end += 1
        parts.append(mangled[end : end + int(mangled[at:end])])
        at = end + int(mangled[at:end])
    return "::".join(part for part in parts if not part.startswith("_GLOBAL")) + template(mangled[at:])


def template(rest):
    """Numbers of its template, as <128, 0>."""
    if not rest.startswith("I"):
        return ""
    numbers = [part[2:] for part in rest[1 : rest.find("EE")].split("E") if part.startswith("Li")]
    return f"<{', '.join(numbers)}>" if numbers else ""


def steps_of(kernels):
    """Lists of kernels, each up to and with the optimizer's."""
    steps, own = [], []
    for kernel in kernels:
        own.append(kernel)
        if "cuda::update" in kernel[2]:
            steps.append(own)
            own = []
    return steps


def main():
    with open(sys.argv[1]) as file:
        rows = (line.rstrip("\n").split(",", 2) for line in file)
        kernels = sorted((int(start), int(end), short(name)) for start, end, name in rows)
    steps = steps_of(kernels)[2:]
    if not steps:
        sys.exit("expected a trace of at least three training steps")
    spans = [step[-1][1] - step[0][0] for step in steps]
    step = steps[spans.index(statistics.median_low(spans))]
    times, calls, gaps = collections.Counter(), collections.Counter(), []
    for (start, end, name), after in zip(step, step[1:] + [None]):
        times[name] += (end - start) / 1e6
        calls[name] += 1
        if after:
            gaps.append(max(0, after[0] - end) / 1e3)
    span, busy = (step[-1][1] - step[0][0]) / 1e6, sum(times.values())
    print(
        json.dumps(
            {
                "steps": len(steps),
                "span_ms": span,
                "kernels_ms": busy,
                "launches": len(step),
                "gaps_ms": sum(gaps) / 1e3,
                "gap_us_median": statistics.median(gaps),
                "gaps_over_10_us_ms": sum(gap for gap in gaps if gap > 10) / 1e3,
                "kernels": [
                    {"name": name, "ms": ms, "calls": calls[name], "share": ms / busy}
                    for name, ms in times.most_common(60)
                ],
            }
        )
    )


if __name__ == "__main__":
    main()
