#include "train/trunk_rows.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "train/prefix.h"

namespace spark {

namespace {

// The places that the positions of `part` have in `all`; both are sorted.
RowsRead upload_places(Backend& backend, Arena& arena, std::span<const int32_t> all, std::span<const int32_t> part) {
  std::vector<int32_t> places;
  places.reserve(part.size());
  for (const int32_t row : part) {
    places.push_back(static_cast<int32_t>(std::lower_bound(all.begin(), all.end(), row) - all.begin()));
  }
  const int64_t count = static_cast<int64_t>(places.size());
  return {count, upload_ints(backend, arena, places.data(), count)};
}

// The same for a reader whose scale is 1: it needs no copies where the rows are all of them.
RowsRead upload_own(Backend& backend, Arena& arena, std::span<const int32_t> all, std::span<const int32_t> part) {
  if (part.size() == all.size()) return {static_cast<int64_t>(all.size()), nullptr};
  return upload_places(backend, arena, all, part);
}

std::vector<int32_t> either(std::span<const int32_t> a, std::span<const int32_t> b) {
  std::vector<int32_t> both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace

std::vector<int32_t> rows_read(std::span<const int32_t> losses, std::span<const int32_t> values,
                               std::span<const int32_t> choices) {
  return either(either(losses, values), choices);
}

TrunkBatch upload_trunk(Backend& backend, Arena& arena, const Batch& batch, const LossPositions& losses,
                        std::span<const int32_t> value_positions, std::span<const int32_t> choice_positions) {
  const std::vector<int32_t> all = rows_read(losses.predictors, value_positions, choice_positions);  // (U)
  const int64_t U = std::ssize(all), prefix = backend.shares_prefix() ? shared_prefix(batch, all) : 0;
  TrunkBatch trunk{upload_tokens(backend, arena, batch, prefix), {}};
  const std::vector<int32_t> read = rows_after(prefix, batch, all);  // (U)
  trunk.rows.read = {U, upload_ints(backend, arena, read.data(), U)};
  trunk.rows.policy = upload_own(backend, arena, all, losses.predictors);
  trunk.rows.value = upload_places(backend, arena, all, value_positions);
  trunk.rows.choice = upload_own(backend, arena, all, choice_positions);
  return trunk;
}

}  // namespace spark
