// A pass that two read, log-probs and a value head: the trunk computes the union of their rows once, and each side
// works on its own. V(s_t) is read where the action's first token is predicted, so the two overlap.
#pragma once

#include <span>

#include "train/batch.h"

namespace spark {

struct TrunkRows {
  RowsRead read;    // (U) of the N: what the trunk computes
  RowsRead policy;  // (M) of the U; all of them where every value is read at a row that predicts, too
  RowsRead value;   // (T) of the U
};

TrunkRows upload_trunk_rows(Backend& backend, Arena& arena, const LossPositions& losses,
                            std::span<const int32_t> value_positions);

// What reads a pass: `loss` gets its rows (., C) and, where `dx` (U, C) is not null, zeros for their gradient, of which
// scale times what it leaves there is added to dx. With all rows and scale 1 it works on x and dx themselves.
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
