"""The kernels of a profiled program by the time they took together, as JSON: python3 bench/gpu-kernels.py NCU.csv

NCU.csv is what `ncu --csv --metrics gpu__time_duration.sum --log-file` writes: a row a launch, after lines of ncu's own.
"""

import collections
import csv
import json
import sys

UNITS = {"ns": 1e-6, "nsecond": 1e-6, "us": 1e-3, "usecond": 1e-3, "ms": 1.0, "msecond": 1.0, "s": 1e3, "second": 1e3}


def short(name):
    """Without arguments and, for templates of libraries, at most 100 letters."""
    return name.split("(")[0][:100] or name[:100]


def main():
    with open(sys.argv[1], newline="") as file:
        lines = [line for line in file if line.startswith('"')]
    times, calls = collections.Counter(), collections.Counter()
    for row in csv.DictReader(lines):
        if row.get("Metric Name") != "gpu__time_duration.sum":
            continue
        name = short(row["Kernel Name"])
        times[name] += float(row["Metric Value"].replace(",", "")) * UNITS[row["Metric Unit"]]
        calls[name] += 1
    total = sum(times.values()) or 1.0
    kernels = [{"name": n, "ms": ms, "calls": calls[n], "share": ms / total} for n, ms in times.most_common()]
    print(json.dumps({"total_ms": total, "kernels": kernels[:60]}))


if __name__ == "__main__":
    main()
