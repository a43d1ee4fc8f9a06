// One pass of the trunk for three readers: log-probs, a value head and choices. The trunk computes the union of the
// rows that they read, and each reader gets its own rows of that. The sets of rows overlap: V(s_t) is read at the row
// that predicts the action's first token.
#pragma once

#include <span>
#include <vector>

#include "train/batch.h"

namespace spark {

struct TrunkRows {
  RowsRead read;    // (U) of the N: what the trunk computes
  RowsRead policy;  // (M) of the U; all of them where every row that is read predicts a token with a loss
  RowsRead value;   // (T) of the U
  RowsRead choice;  // (G) of the U; all of them where nothing else is read
};

struct TrunkBatch {
  PackedTokens packed;  // with a prefix, where the sequences share one and the backend knows what to do with it
  TrunkRows rows;
};

// The packed positions that a pass reads, in order: the sorted `losses`, `values` and `choices` together.
std::vector<int32_t> rows_read(std::span<const int32_t> losses, std::span<const int32_t> values,
                               std::span<const int32_t> choices);

TrunkBatch upload_trunk(Backend& backend, Arena& arena, const Batch& batch, const LossPositions& losses,
                        std::span<const int32_t> value_positions, std::span<const int32_t> choice_positions);

// Runs one reader of a pass over x (U, C). `loss` is called with a copy of the reader's rows (., C) and, where `dx` (U,
// C) is not null, with zeros (., C) that it adds their gradient to; afterwards scale times that gradient is added to
// dx. A reader of all rows, whose scale is 1, works on x and dx themselves.
template <class Loss>
void read_rows(Backend& backend, Arena& arena, const RowsRead& rows, const Activation* x, Activation* dx, float scale,
               int64_t C, Loss&& loss) {
  if (rows.count == 0) return;
  if (!rows.rows) return loss(x, dx);
  const Arena::Scope scope(arena);
  Activation* own = arena.activations(rows.count * C);                  // (., C)
  Activation* down = dx ? arena.activations(rows.count * C) : nullptr;  // (., C)
  backend.gather_rows(own, x, rows.rows, rows.count, C);
  if (down) backend.zero(down, rows.count * C);
  loss(static_cast<const Activation*>(own), down);
  if (down && scale != 0) backend.scatter_rows(dx, down, rows.rows, scale, rows.count, C);
}

}  // namespace spark
