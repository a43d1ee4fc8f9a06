// What all sequences of a batch begin with is computed once: the instructions of a prompt are most of a trajectory's
// tokens, and causal attention gives them the same activations in each sequence. Nothing may be read there, as a row
// has one loss; the gradient of a shared row is the sum over the sequences.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/engine.h"

namespace spark {

// P: how many tokens the trunk may compute once for all sequences of the batch, in kPrefixUnit. 0 for a single
// sequence. None of the packed positions `read`, in order, lies in it, and each sequence goes on after it.
int64_t shared_prefix(const Batch& batch, std::span<const int32_t> read);

// The trunk's rows of packed positions behind the prefix of their sequences, in order: each sequence's are after what
// those before it kept of theirs.
std::vector<int32_t> rows_after(int64_t prefix, const Batch& batch, std::span<const int32_t> positions);

}  // namespace spark
