/**
 * Errors that someone could make in the losses and in the CUDA kernels: a sign turned, a term dropped, a bound moved. Each
 * `from` stands exactly once in its file under native/, and with `to` in its place some native test must fail
 * (scripts/mutate-losses.mjs).
 */
const objective = [
  ['clip loss: sign', 'return -std::min(ratio', 'return std::min(ratio'],
  ['clip loss: the larger branch', '-std::min(ratio * advantage', '-std::max(ratio * advantage'],
  ['clip loss: upper bound', '1 - clip, 1 + clip) * advantage', '1 - clip, 1 + 2 * clip) * advantage'],
  ['clip loss: lower bound', 'std::clamp(ratio, 1 - clip,', 'std::clamp(ratio, 1 - 2 * clip,'],
  ['clipped: advantage > 0 turned', 'ratio > 1 + clip :', 'ratio < 1 + clip :'],
  ['clipped: advantage < 0 turned', 'advantage < 0 && ratio < 1 - clip', 'advantage < 0 && ratio > 1 - clip'],
  ['clipped: no branch for advantage < 0', 'advantage < 0 && ratio < 1 - clip', 'false'],
  ['clip slope: sign', '0.0 : -ratio * advantage', '0.0 : ratio * advantage'],
  ['clip slope: ratio dropped', '0.0 : -ratio * advantage', '0.0 : -advantage'],
  ['clip slope: never clipped', 'policy_is_clipped(ratio, advantage, clip) ? 0.0 :', 'clip < 0 ? 0.0 :'],
  ['KL slope: sign', 'return kl * (lp - reference)', 'return kl * (reference - lp)'],
  ['KL slope: the half forgotten', 'return kl * (lp - reference)', 'return 2 * kl * (lp - reference)'],
  ['KL slope: coefficient dropped', 'return kl * (lp - reference)', 'return (kl > 0) * (lp - reference)'],
];

const policy = [
  ['ratio: sign of old', '(lp[m]) - old_lp[m]', '(lp[m]) + old_lp[m]'],
  ['ratio: old dropped', '(lp[m]) - old_lp[m]', '(lp[m])'],
  ['KL subtracted', 'slope += policy_kl_slope', 'slope -= policy_kl_slope'],
  ['KL dropped', 'if (reference_lp) slope', 'if (!c.clip) slope'],
  ['normalizer dropped', 'slope * c.inverse_normalizer', 'slope'],
];

const logprob = [
  ['maximum dropped', 'return largest + std::log(sum)', 'return std::log(sum)'],
  ['log-sum-exp dropped', 'targets[m]] - lse[m]', 'targets[m]]'],
  ['softmax: sign', 'narrow<T>(-dlp *', 'narrow<T>(dlp *'],
  ['softmax: lse dropped', 'exp_fast(logits[j] - lse)', 'exp_fast(logits[j])'],
  ['target: sign', 'lse) + dlp', 'lse) - dlp'],
  ['target: dropped', 'gradient[target] = narrow<T>(own);', ''],
];

const objectives = [
  ['ratio: sign of old', '- batch.old_logprobs[position];', '+ batch.old_logprobs[position];'],
  [
    'step ratio: sum, no mean',
    'log_ratio[m] = step.value / static_cast<double>(step.tokens)',
    'log_ratio[m] = step.value',
  ],
  ['step ratio: the last token alone', 'step.value += log_ratio[m]', 'step.value = log_ratio[m]'],
  [
    'step slope: sum, no mean',
    'double slope = step.value / static_cast<double>(step.tokens)',
    'double slope = step.value',
  ],
  ['step slope: the last token alone', 'step.value += policy_clip_slope', 'step.value = policy_clip_slope'],
  ['step slope: subtracted', 'step.value += policy_clip_slope', 'step.value -= policy_clip_slope'],
  ['step slope: KL subtracted', 'slope += policy_kl_slope', 'slope -= policy_kl_slope'],
  ['step slope: normalizer dropped', 'slope / options.normalizer', 'slope'],
  ['metrics: k1 sign', 'k1_sum -= delta', 'k1_sum += delta'],
  ['metrics: k2 without its half', 'k2_sum += 0.5 * delta', 'k2_sum += delta'],
  ['metrics: k3 without delta', 'std::expm1(delta) - delta', 'std::expm1(delta)'],
  ['metrics: delta turned', '(batch.ref_logprobs[position]) - lp[m]', '(lp[m]) - batch.ref_logprobs[position]'],
  ['metrics: KL loss without its half', 'kl_loss_sum += 0.5 * delta', 'kl_loss_sum += delta'],
  ['metrics: clip loss of the last token', 'clip_loss_sum += policy_clip_loss', 'clip_loss_sum = policy_clip_loss'],
  [
    'metrics: every token clipped',
    'clipped_count += policy_is_clipped(ratio, advantage, options.clip)',
    'clipped_count += 1',
  ],
  ['metrics: ratio sum', 'ratio_sum += ratio', 'ratio_sum += 1'],
  ['metrics: smallest ratio', 'std::max(metrics.ratio_max, ratio)', 'std::min(metrics.ratio_max, ratio)'],
];

const critic = [
  ['value slope: sign', '(2.0 / normalizer)', '(-2.0 / normalizer)'],
  ['value slope: the 2 forgotten', '(2.0 / normalizer)', '(1.0 / normalizer)'],
  ['value slope: normalizer dropped', '(2.0 / normalizer)', '(2.0)'],
  ['error: sign of the return', '- batch.returns[t];', '+ batch.returns[t];'],
  ['loss: not squared', 'loss_sum += error * error', 'loss_sum += error'],
];

const readRows = [
  ["one pass: the policy's gradient alone", 'if (down && scale != 0)', 'if (down && scale == 1)'],
  ['one pass: coefficient dropped', 'rows.rows, scale, rows.count', 'rows.rows, 1, rows.count'],
];

const trunkRows = [['one pass: the row after', 'row) - all.begin()', 'row + 1) - all.begin()']];

const rows = [
  ['scatter: scale dropped', 'scale * widen(x[c])', 'widen(x[c])'],
  ['scatter: = for +=', 'widen(y[c]) + scale', 'scale'],
];

const valueHead = [
  ['slope: sign of the target', 'slope * (v[m] - target[m])', 'slope * (v[m] + target[m])'],
  ['b1 dropped', 'z[e] += b1[e]', 'z[e] += 0 * b1[e]'],
  ['b2 dropped', ' + p.b2[0]', ''],
  ['w2 dropped', 'v += w2[e] * z[e]', 'v += z[e]'],
  ['db2: sign', 'gradients.b2[0] += dv[m]', 'gradients.b2[0] -= dv[m]'],
  ['db2: = for +=', 'gradients.b2[0] += dv[m]', 'gradients.b2[0] = dv[m]'],
  ['dw2: without sigmoid', 'dw2[e] += dv * z[e] * sigmoid', 'dw2[e] += dv * z[e]'],
  ['dw2: sign', 'dw2[e] += dv', 'dw2[e] -= dv'],
  ["dz: silu' as sigmoid", '* sigmoid * (1.0f + z[e] * (1.0f - sigmoid))', '* sigmoid'],
  ["dz: silu' with a minus", '(1.0f + z[e] * (1.0f - sigmoid))', '(1.0f - z[e] * (1.0f - sigmoid))'],
  ['dz: w2 dropped', 'dz = dv * w2[e] * sigmoid', 'dz = dv * sigmoid'],
  ['db1: sign', 'db1[e] += dz', 'db1[e] -= dz'],
  ['dW1: = for +=', 'C, 1.0f, gradients.w1', 'C, 0.0f, gradients.w1'],
  ['dW1: sign', 'E, C, M, 1.0f, z', 'E, C, M, -1.0f, z'],
  ['dx: sign', 'M, C, E, 1.0f, z', 'M, C, E, -1.0f, z'],
];

const adamwCoefficients = [
  ['decay: sign', '1.0f - c.learning_rate * c.weight_decay', '1.0f + c.learning_rate * c.weight_decay'],
  ['decay: without the rate', 'c.learning_rate * c.weight_decay', 'c.weight_decay'],
  ['correction 1 dropped', 'static_cast<float>(c.learning_rate / correction1)', 'c.learning_rate'],
  ['correction 2: no root', '1.0 / std::sqrt(correction2)', '1.0 / correction2'],
];

const adamw = [
  ['update: sign', 'w[i] * c.decay - c.step_size', 'w[i] * c.decay + c.step_size'],
  ['decay: dropped', 'w[i] = w[i] * c.decay', 'w[i] = w[i]'],
  ['m: without 1 - beta1', '(1.0f - c.beta1) * g', 'g'],
  ['v: beta1 for beta2', '(1.0f - c.beta2) * g * g', '(1.0f - c.beta1) * g * g'],
  ['v: not squared', '(1.0f - c.beta2) * g * g', '(1.0f - c.beta2) * std::fabs(g)'],
  ['epsilon inside the root', 'c.inverse_root2 + c.epsilon', 'c.inverse_root2 + std::sqrt(c.epsilon)'],
  ['clipped gradient not used', 'gradient[i] * c.grad_scale', 'gradient[i]'],
  ['norm: not squared', 'static_cast<double>(x[i]) * x[i]', 'std::fabs(static_cast<double>(x[i]))'],
];

const optimizer = [
  ['clip turned', 'options.max_grad_norm / norm', 'norm / options.max_grad_norm'],
  ['clip never', 'norm > options.max_grad_norm)', 'norm > 1e30)'],
  ['clip always', ' && norm > options.max_grad_norm)', ')'],
  ['step counted late', '1.0f,          step_ + 1}', '1.0f,          step_ + 2}'],
  ['norm: no root', 'std::sqrt(backend.sum_of_squares', '(backend.sum_of_squares'],
  ['gradients kept', 'parameters_.clear(ParameterSet::Gradient);\n  const', 'const'],
];

const sft = [
  ['SFT slope: sign', '(-1.0 / normalizer)', '(1.0 / normalizer)'],
  ['SFT slope: normalizer dropped', '(-1.0 / normalizer)', '(-1.0)'],
  ['SFT loss: sign', 'metrics.loss_sum -= lp', 'metrics.loss_sum += lp'],
  ['actor: normalizer not inverted', '1.0 / options.normalizer}', 'options.normalizer}'],
  ["one pass: the actor's normalizer for the values", 'value.normalizer, own, down', '1, own, down'],
  ['one pass: the head does not learn', '{trained_.get(), &critic->trained()}', '{trained_.get()}'],
  ['own slopes: those of the first chunk', 'return given + first;', 'return given;'],
  [
    'own slopes: not those of the tokens with a loss',
    'upload_at(*core.backend, core.arena, dlp, losses)',
    'upload_floats(*core.backend, core.arena, dlp.data(), losses.count())',
  ],
  ["own log-probs: a row's, not its token's", '(losses.positions[m])] = lp[m]', '(losses.rows[m])] = lp[m]'],
  ['step slopes: those of the first chunk', 'return dlp + first;', 'return dlp;'],
  [
    'two passes: the critic does not learn',
    'if (!critic->trunk()) metrics.value',
    'if (critic->trunk()) metrics.value',
  ],
];

// Kernels, whose mistakes are of another kind: an index, an edge, a barrier.
const kernels = {
  'cuda/rmsnorm.cu': [
    ['forward: epsilon dropped', 'static_cast<float>(C) + epsilon', 'static_cast<float>(C)'],
    ['backward: mean dropped', '- xs.at[i] * back', ''],
  ],
  'cuda/rope.cu': [['halves: sign', 'first * sine + second', 'first * sine - second']],
  'cuda/swiglu.cu': [["silu' without its second term", '* (1.0f + g.at[j] * (1.0f - s))', '']],
  'cuda/rows.cu': [
    ['packed row: block dropped', 'row + c / PACKED::kBlock * PACKED::kBytes', 'row'],
    ['scatter: scale dropped', 'scale * added.at[i]', 'added.at[i]'],
  ],
  'cuda/quantised.h': [
    ['Q4_0: offset', '& 0x0f) - 8);', '& 0x0f) - 7);'],
    ['Q4_K: minimum dropped', '& 0x0f) - own.minimum;', '& 0x0f);'],
    ['Q5_K: fifth bit', '(((top[i] >> group) & 1) << 4)', '(((top[i] >> group) & 1) << 3)'],
    ['Q6_K: scale of the run', '+ 2 * run + place / 16', '+ 2 * run'],
  ],
  'cuda/linear.cu': [
    ['margin: B of another row', 'factor[row * R + r]', 'factor[r]'],
    ['margin: rows behind A not cleared', 'device_zero(margin', 'if (M < 0) device_zero(margin'],
    ['join: u of another row', 'u[blockIdx.x * stride + r]', 'u[r]'],
    ['packed: margin forgotten', 'values.store(to + i / cols * stride + i % cols)', 'values.store(to + i)'],
    [
      'no residual beside LoRA in the margin',
      '{own, stride, true}, y, out, residual});\n  }',
      '{own, stride, true}, y, out});\n  }',
    ],
    [
      'accumulate forgotten beside LoRA in the margin',
      '{own, stride}, dx, in, held});\n  }',
      '{own, stride}, dx, in});\n  }',
    ],
  ],
  'cuda/cuda_backend.cu': [
    ['loaded without its margin', 'to[i / cols * stride + i % cols]', 'to[i]'],
    ['a call does not wait for abandoned copies', 'if (offloader_) offloader_->settle_all();', ''],
  ],
  'cuda/output.cu': [
    ['panels: the last alone', 'first > 0 ? sums : nullptr', 'nullptr'],
    ['panels: all in the first columns', 'panel, logits + first, V', 'panel, logits, V'],
  ],
  'cuda/offload.cu': [
    ['copies do not wait for the ops', '  wait_for(reached_, copies_);', ''],
    [
      'an offloaded input is not waited for',
      'copy_to_pinned(own.host, from, bytes, copies_);\n  mark',
      'copy_to_pinned(own.host, from, bytes, copies_);\n  if (!bytes) mark',
    ],
    [
      'a fetched input is not waited for',
      'copy_from_pinned(to, own.host, bytes, copies_);\n  mark',
      'copy_from_pinned(to, own.host, bytes, copies_);\n  if (!bytes) mark',
    ],
    ['settle waits for nothing', '.copied, main_)', '.copied, copies_)'],
    ['an abandoned copy is not waited for', '  wait_for(reached_, main_);', ''],
    ['a slot never grows', 'if (own.bytes >= bytes) return own;', 'if (own.bytes > 0) return own;'],
    ['a slot is taken anew each time', 'if (own.bytes >= bytes) return own;', ''],
    ['pinned memory stays with the process', 'if (slot.host) pinned_release', 'if (!slot.host) pinned_release'],
  ],
  'cuda/lost.h': [['a lost device is forgotten', 'lost.reason = reason;', ';']],
  'cuda/product_failure.cu': [
    ['the device is not asked', 'if (!lost.empty()) lose_device', 'if (lost == " ") lose_device'],
  ],
  'cuda/lora.cu': [
    ['u: scale dropped', 'u, S, nullptr, scale', 'u, S, nullptr, 1'],
    ['du: scale dropped', 'du, stride, nullptr, scale', 'du, stride, nullptr, 1'],
    ['dB overwritten', 'db, R, db, 1', 'db, R, nullptr, 1'],
  ],
  'cuda/logprob.cu': [
    ['sum not rescaled', 'sum *= __expf(top - largest);', ''],
    ['written over before it is read', '__syncthreads();\n    if (j < V)', 'if (j < V)'],
    ['target: its neighbour', 'j + i == target', 'j == target'],
  ],
  'cuda/value_head.cu': [
    ['b1 dropped', 'row[e] + b1[e]', 'row[e]'],
    ['slope: target dropped', 'slope * (v[m] - target[m])', 'slope * v[m]'],
  ],
  'cuda/device.h': [['block sum: one warp short', 'THREADS / kWarp; ++i) sum', 'THREADS / kWarp - 1; ++i) sum']],
  'cuda/attention_forward.cu': [
    ['mask: one key too many', 'diagonal && col > row', 'diagonal && col > row + 1'],
    ['earlier sums not rescaled', 'out[tile].at[2] *= factor.y', 'out[tile].at[2] *= 1'],
    ['no barrier before keys are loaded over', '__syncthreads();  // the next round', '// the next round'],
  ],
  'cuda/attention.h': [
    ['lse in powers of two', ' / kLog2E; }', '; }'],
    ['softmax: largest not kept', 'top[row] = largest;', ''],
    ['stores: the second of two columns', 'narrow_pair(left, right)', 'narrow_pair(left, left)'],
  ],
  'cuda/attention_forward_hopper.cu': [
    ['mask: one key too many', 'col > row0 + row', 'col > row0 + row + 1'],
    ['earlier sums not rescaled', 'out[tile].at[2] *= factor.y', 'out[tile].at[2] *= 1'],
    ['scores not waited for', 'wait_for_products<1>(s)', 'wait_for_products<2>(s)'],
    ['sums not waited for', 'scale);\n    wait_for_products<0>(out)', 'scale);\n    wait_for_products<1>(out)'],
    ['copies not waited for', 'arrived<0>();  // keys j', 'arrived<1>();  // keys j'],
    ['keys loaded over those in use', 'load(ks(j + 1), k, j + 1)', 'load(ks(j), k, j + 1)'],
  ],
  'cuda/attention_backward_hopper.cu': [
    ['keys: delta dropped', '(slope - deltas(j)[col])', 'slope'],
    ['queries: delta dropped', '(slope - delta[row / 8])', 'slope'],
    ['keys: mask', 'row0 + row > ahead + col', 'row0 + row >= ahead + col'],
    ['queries: mask', 'col > behind + row0 + row', 'col >= behind + row0 + row'],
    ['keys: masked too seldom', 'ahead < kOwn', 'ahead < kRound'],
    ['queries: masked too seldom', 'behind < kRound', 'behind < 0'],
    ['keys: only the first head of a group', 'rounds = per_head * group', 'rounds = per_head'],
    ['stages: one too few', 'kStages = 3', 'kStages = 2'],
    ['keys: scores not waited for', 'wait_for_products<3>(p)', 'wait_for_products<4>(p)'],
    ['keys: slopes not waited for', 'wait_for_products<2>(ds)', 'wait_for_products<3>(ds)'],
    ['queries: slopes not waited for', 'wait_for_products<1>(ds)', 'wait_for_products<2>(ds)'],
    [
      'queries: the last round left out',
      'stages.first(rounds - 1));\n  wait_for_products<0>(dq)',
      'stages.first(rounds));\n  wait_for_products<0>(dq)',
    ],
  ],
  'cuda/attention_hopper.h': [['no barrier behind copies', 'share_with_products();\n  __syncthreads();', '']],
  'cuda/warpgroup.h': [
    ['tiles: not swizzled', '((col / 8 % 8) ^ (row % 8)) * 8', '(col / 8 % 8) * 8'],
    ['descriptors: second panel', 'col / kPanel * kPanelBytes + col', 'col'],
    ['descriptors: depth in rows', 'row * kPanel * 2', 'row * kPanel'],
    ['descriptors: eight rows', 'kEightRows = 8 * 128', 'kEightRows = 4 * 128'],
  ],
  'cuda/attention_choice.cu': [
    ['disagreement ignored', '!(most <= options.attention_difference)', 'most < 0'],
    ['Hopper not tried', 'attention_ = kernels;', ''],
    ['what the others wrote passes for its own', 'fill(static_cast<float*>(outputs.get()), kUnwritten, made / 2);', ''],
    ['a build without code is launched', 'there == 1', 'there != 0'],
  ],
  'cuda/attention_backward.cu': [
    ['keys: delta dropped', 'ds[tile].at[i] - deltas(j)[col]', 'ds[tile].at[i]'],
    ['queries: delta dropped', 'ds[tile].at[i] - delta[i / 2]', 'ds[tile].at[i]'],
    ['keys: mask', 'row <= ahead + col', 'row < ahead + col'],
    ['queries: mask', 'col <= behind + row', 'col < behind + row'],
    ['keys: only the first head of a group', 'rounds = per_head * group', 'rounds = per_head'],
    [
      'queries: no barrier before keys are loaded over',
      '__syncthreads();  // the next round loads over these keys',
      '',
    ],
    [
      'keys: no barrier before queries are loaded over',
      '__syncthreads();  // the next round loads over these queries',
      '',
    ],
  ],
};

// Buffers that take turns: settled too late, or another's.
const llama = [
  ['an input is written over before it has left', 'if (offload && layer > 0) backend_.settle(layer - 1);', ''],
  ['the slot of the input before', 'backend_.offload(layer, a.x', 'backend_.offload(layer - (layer > 1), a.x'],
  ['the input itself is settled, not the one before', 'backend_.settle(layer - 1);', 'backend_.settle(layer);'],
  ['the input before the last stays', 'if (offload && layer + 1 < layers)', 'if (offload && layer + 2 < layers)'],
  [
    'first bad tensor: the slot of another input',
    'backend_.fetch(fetched, static_cast<int64_t>(layer),',
    'backend_.fetch(fetched, 0,',
  ],
  [
    'feed forward over the residual stream',
    '  a.mid = arena.activations(a.M * config_.width);\n  {',
    '  {\n    const Arena::Scope over(arena);\n    a.mid = arena.activations(a.M * config_.width);\n  }\n  {',
  ],
];
const llamaBackward = [
  ['the slot of another input', '.x, layer - 1, N', '.x, layer, N'],
  [
    'into the memory of the input itself',
    'blocks[static_cast<size_t>(layer - 1)].x',
    'blocks[static_cast<size_t>(layer)].x',
  ],
  ['computed from an input that has not arrived', 'if (layer + 1 < config_.layers) backend_.settle(layer);', ''],
];

const of = (file, list) => list.map(([what, from, to]) => ({ file, what, from, to }));

export const mutations = [
  ...of('ops/objective.h', objective),
  ...of('cpu/policy.cpp', policy),
  ...of('cpu/logprob.cpp', logprob),
  ...of('cpu/value_head.cpp', valueHead),
  ...of('cpu/rows.cpp', rows),
  ...of('ops/adamw.h', adamwCoefficients),
  ...of('cpu/adamw.cpp', adamw),
  ...of('train/objectives.cpp', objectives),
  ...of('train/critic.cpp', critic),
  ...of('train/trunk_rows.h', readRows),
  ...of('train/trunk_rows.cpp', trunkRows),
  ...of('train/trained.cpp', optimizer),
  ...of('train/adapter.cpp', sft),
  ...of('model/llama.cpp', llama),
  ...of('model/llama_backward.cpp', llamaBackward),
  ...Object.entries(kernels).flatMap(([file, list]) => of(file, list)),
];
