#include "train/prefix.h"

#include <algorithm>

#include "ops/backend.h"

namespace spark {

namespace {

// f(sequence, position) for each of the packed positions, which are in order.
template <class F>
void each_in_its_sequence(const Batch& batch, std::span<const int32_t> positions, F&& f) {
  size_t sequence = 0;
  for (const int32_t position : positions) {
    while (position >= batch.cu_seqlens[sequence + 1]) ++sequence;
    f(sequence, position);
  }
}

}  // namespace

int64_t shared_prefix(const Batch& batch, std::span<const int32_t> read) {
  const auto& cu = batch.cu_seqlens;
  if (cu.size() < 3) return 0;
  const auto first = batch.tokens.subspan(0, static_cast<size_t>(cu[1]));
  int64_t shared = cu[1] - 1;
  for (size_t s = 1; s + 1 < cu.size(); ++s) {
    const auto own = batch.tokens.subspan(static_cast<size_t>(cu[s]), static_cast<size_t>(cu[s + 1] - cu[s]));
    const auto same = std::mismatch(own.begin(), own.end(), first.begin(), first.end()).first - own.begin();
    shared = std::min({shared, static_cast<int64_t>(same), std::ssize(own) - 1});
  }
  each_in_its_sequence(batch, read,
                       [&](size_t s, int32_t position) { shared = std::min<int64_t>(shared, position - cu[s]); });
  return shared / kPrefixUnit * kPrefixUnit;
}

std::vector<int32_t> rows_after(int64_t prefix, const Batch& batch, std::span<const int32_t> positions) {
  std::vector<int32_t> rows;
  rows.reserve(positions.size());
  each_in_its_sequence(batch, positions, [&](size_t s, int32_t position) {
    rows.push_back(position - static_cast<int32_t>(s) * static_cast<int32_t>(prefix));
  });
  return rows;
}

}  // namespace spark
