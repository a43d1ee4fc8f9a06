// The actor's loss for one token, as docs/algorithm.md writes it. One definition, used by every backend's
// policy_backward, by the host for the step ratio, and for metrics. constexpr, so that a kernel may call it.
//
//   loss   = −min(r A, clip(r, 1−ε, 1+ε) A) + β ½ (lp − lp_ref)²        r = exp(lp − lp_old)
//   dloss / dr = −A where the first branch is the smaller, else 0; dr / dlp = r
#pragma once

#include <algorithm>
#include <cmath>

namespace spark {

// True when the clipped branch is the smaller: the token's advantage no longer pushes its ratio.
constexpr bool policy_is_clipped(double ratio, double advantage, double clip) {
  return advantage > 0 ? ratio > 1 + clip : advantage < 0 && ratio < 1 - clip;
}

// −min(r A, clip(r) A)
constexpr double policy_clip_loss(double ratio, double advantage, double clip) {
  return -std::min(ratio * advantage, std::clamp(ratio, 1 - clip, 1 + clip) * advantage);
}

// d(clip loss) / d(log ratio)
constexpr double policy_clip_slope(double ratio, double advantage, double clip) {
  return policy_is_clipped(ratio, advantage, clip) ? 0.0 : -ratio * advantage;
}

// d(β ½ (lp − ref)²) / d lp
constexpr double policy_kl_slope(double lp, double reference, double kl) { return kl * (lp - reference); }

}  // namespace spark
