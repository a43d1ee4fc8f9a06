"""Writes the grids of the IQ tensor types, one header each, beside this file.

    pip install gguf numpy && python native/core/grids/make_grids.py

A grid lists the groups of 8 (or 4) values that a type can hold. It is a fact of the format, with no rule to compute it
by; PyPI `gguf` (MIT) has the lists. A value is one of three (or eight) levels, so a group is written as the 2-bit (or
3-bit) numbers of its levels, the first value in the lowest bits: 16 (or 12) bits.
"""

import textwrap
from pathlib import Path

import numpy as np
from gguf import quants

# header: (class of the package, bits of a level's number, what else uses it)
GRIDS = {
    "iq1": (quants.IQ1_S, 2, "IQ1_S and IQ1_M"), "iq2_xxs": (quants.IQ2_XXS, 2, "IQ2_XXS"),
    "iq2_xs": (quants.IQ2_XS, 2, "IQ2_XS"), "iq2_s": (quants.IQ2_S, 2, "IQ2_S"),
    "iq3_xxs": (quants.IQ3_XXS, 3, "IQ3_XXS"), "iq3_s": (quants.IQ3_S, 3, "IQ3_S"),
}  # fmt: skip

TEXT = """// The {size} groups of {width} values of {types}, made by make_grids.py: {bits} bits for the level of each value, the
// first value in the lowest bits.
#pragma once

#include "core/portable.h"

namespace spark {{

SPARK_HD inline uint32_t {name}_group(int index) {{
  // clang-format off
  static constexpr uint16_t kGroups[{size}] = {{
{rows}
  }};
  // clang-format on
  return kGroups[index];
}}

}}  // namespace spark
"""


def write(name, reader, bits, types):
    reader.init_grid()
    levels = np.array(reader.grid_map, dtype=np.float32)
    groups = reader.grid.reshape(reader.grid_shape)
    numbers = np.searchsorted(levels, groups)
    assert (levels[numbers] == groups).all()
    size, width = groups.shape
    words = (numbers << (bits * np.arange(width))).sum(axis=1)
    rows = textwrap.fill(" ".join(f"{word}," for word in words), 120, initial_indent="    ", subsequent_indent="    ")
    text = TEXT.format(name=name, types=types, size=size, width=width, bits=bits, rows=rows)
    Path(__file__).with_name(f"{name}.h").write_text(text)


for header, (source, width, users) in GRIDS.items():
    write(header, source, width, users)
