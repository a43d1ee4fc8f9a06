"""Time, losses and peak memory of repeats, and the protocol by which two programs take turns.

The peak is measured as native/bench/measure.h does: VmHWM after 5 was written to /proc/self/clear_refs; where that
does not exist, ru_maxrss since the process began.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

Repeat = Callable[[], dict[str, float]]


def status_bytes(key: str) -> int:
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Runner:
    def __init__(self, repeat: Repeat):
        self.repeat = repeat
        self.ms: list[float] = []
        self.losses: list[dict[str, float]] = []
        self.highest = 0
        self.before = status_bytes("VmRSS")
        self.resettable = True

    def warm(self, count: int) -> float:
        """Seconds of the repeats before the clock counts, compilation among them."""
        start = time.perf_counter()
        for _ in range(count):
            self.losses.append(self.repeat())
        return time.perf_counter() - start

    def _restart_peak(self) -> None:
        try:
            with open("/proc/self/clear_refs", "w") as refs:
                refs.write("5")
        except OSError:
            self.resettable = False

    def _peak(self) -> int:
        if self.resettable:
            return status_bytes("VmHWM")
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def run(self, count: int) -> dict:
        self._restart_peak()
        for _ in range(count):
            start = time.perf_counter()
            self.losses.append(self.repeat())
            self.ms.append((time.perf_counter() - start) * 1e3)
        self.highest = max(self.highest, self._peak())
        return {"ms": self.ms[-count:], "peak_bytes": self.highest}

    def document(self, tokens: int) -> dict:
        middle, least = statistics.median(self.ms), min(self.ms)
        how = "VmHWM after a reset through /proc/self/clear_refs"
        return {
            "tokens": tokens,
            "repeats": len(self.ms),
            "ms_median": middle,
            "ms_min": least,
            "ms": self.ms,
            "tokens_per_second": tokens / middle * 1e3,
            "tokens_per_second_best": tokens / least * 1e3,
            "peak_bytes": self.highest,
            "peak_how": how if self.resettable else "ru_maxrss since the process began",
            "resident_before_bytes": self.before,
            "losses": self.losses,
        }

    def take_turns(self) -> None:
        """A line when warm; then for each `run N` on stdin a line; returns at the end of stdin."""
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            word, _, count = line.strip().partition(" ")
            if word != "run" or not count.isdigit():
                raise SystemExit(f"a turn: expected `run N`, got {line.strip()}")
            print(json.dumps(self.run(int(count))), flush=True)
