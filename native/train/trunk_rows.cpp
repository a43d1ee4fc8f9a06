#include "train/trunk_rows.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace spark {

namespace {

// The places that the rows of `part` have in `all`; both are sorted.
RowsRead upload_places(Backend& backend, Arena& arena, const std::vector<int32_t>& all, std::span<const int32_t> part) {
  std::vector<int32_t> places;
  places.reserve(part.size());
  for (const int32_t row : part) {
    places.push_back(static_cast<int32_t>(std::lower_bound(all.begin(), all.end(), row) - all.begin()));
  }
  const int64_t count = static_cast<int64_t>(places.size());
  return {count, upload_ints(backend, arena, places.data(), count)};
}

}  // namespace

TrunkRows upload_trunk_rows(Backend& backend, Arena& arena, const LossPositions& losses,
                            std::span<const int32_t> value_positions) {
  std::vector<int32_t> all;  // (U)
  std::set_union(losses.rows.begin(), losses.rows.end(), value_positions.begin(), value_positions.end(),
                 std::back_inserter(all));
  const int64_t U = static_cast<int64_t>(all.size());
  TrunkRows rows;
  rows.read = {U, upload_ints(backend, arena, all.data(), U)};
  rows.policy = losses.count() == U ? RowsRead{U, nullptr} : upload_places(backend, arena, all, losses.rows);
  rows.value = upload_places(backend, arena, all, value_positions);
  return rows;
}

}  // namespace spark
