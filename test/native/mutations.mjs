/**
 * Errors that someone could make where no compiler and no eye would see them: in the losses, in attention and in unpacking
 * quantised weights. With one in its place some native test must fail (scripts/mutate-losses.mjs).
 *
 * By file under native/ and the function in it: what is wrong, what stands there, what stands there instead. The notation is
 * that of scripts/mutant.mjs: `$name` is any operand. Each must be found exactly once; test/scripts/mutant.test.ts looks.
 */
const losses = {
  'ops/objective.h': {
    policy_clip_loss: [
      ['clip loss: sign', 'return -std::min(', 'return std::min('],
      ['clip loss: the larger branch', 'return -std::min(', 'return -std::max('],
      ['clip loss: upper bound', '1 + $clip', '1 + 2 * $clip'],
      ['clip loss: lower bound', '1 - $clip', '1 - 2 * $clip'],
    ],
    policy_is_clipped: [
      ['clipped: advantage > 0 turned', '$ratio > 1 + $clip', '$ratio < 1 + $clip'],
      ['clipped: advantage < 0 turned', '$ratio < 1 - $clip', '$ratio > 1 - $clip'],
      ['clipped: no branch for advantage < 0', '$advantage < 0 && $ratio < 1 - $clip', 'false'],
    ],
    policy_clip_slope: [
      ['clip slope: sign', ': -$ratio * $advantage', ': $ratio * $advantage'],
      ['clip slope: ratio dropped', ': -$ratio * $advantage', ': -$advantage'],
      ['clip slope: never clipped', 'return $clipped ?', 'return false ?'],
    ],
    policy_kl_slope: [
      ['KL slope: sign', '$kl * ($lp - $reference)', '$kl * ($reference - $lp)'],
      ['KL slope: the half forgotten', '$kl * ($lp - $reference)', '2 * $kl * ($lp - $reference)'],
      ['KL slope: coefficient dropped', '$kl * ($lp - $reference)', '($kl > 0) * ($lp - $reference)'],
    ],
  },
  'cpu/policy.cpp': {
    policy_backward: [
      ['ratio: sign of old', '($lp) - $old)', '($lp) + $old)'],
      ['ratio: old dropped', '($lp) - $old)', '($lp))'],
      ['KL subtracted', '$slope += policy_kl_slope(', '$slope -= policy_kl_slope('],
      ['KL dropped', 'if ($reference) $slope +=', 'if (false) $slope +='],
      ['normalizer dropped', '($slope * $normalizer)', '($slope)'],
    ],
  },
  'cpu/logprob.cpp': { logprob_forward: [['log-sum-exp dropped', '= $logit - $lse;', '= $logit;']] },
  'cpu/levels/logprob-inl.h': {
    log_sum_exp: [['maximum dropped', 'return $largest + std::log(', 'return std::log(']],
    logprob_backward: [
      ['softmax: sign', 'narrow<T>(-$dlp * exp_fast(', 'narrow<T>($dlp * exp_fast('],
      ['softmax: lse dropped', '-$dlp * exp_fast($logit - $lse))', '-$dlp * exp_fast($logit))'],
      ['target: sign', ') + $dlp;', ') - $dlp;'],
      ['target: dropped', '$gradient = narrow<T>($own);', ''],
    ],
  },
  'cpu/choice.cpp': {
    forward: [['log of the sum dropped', '- std::log($sum);', ';']],
    backward: [
      ['targets not summed', '* $total - $target', '- $target'],
      ['target: sign', '* $total - $target', '* $total + $target'],
    ],
    choice_forward: [
      ['softmax over all that follows, not over the choice', 'K = $end - $begin;', 'K = offsets[G] - $begin;'],
    ],
  },
  'cuda/choice.cu': {
    log_softmax: [['log of the sum dropped', '- logf($sum);', ';']],
    choice_forward_kernel: [
      ['softmax over all that follows, not over the choice', 'offsets[blockIdx.x + 1] -', 'offsets[gridDim.x] -'],
      ['no barrier behind the logits', '__syncthreads();', ''],
    ],
    choice_backward_kernel: [['targets not summed', '* $total - $target', '- $target']],
  },
  'model/output_head.cpp': {
    output_choices: [
      ['choices: targets of the first chunk', 'choices.targets + $begin,', 'choices.targets,'],
      ['choices: alternatives of the first chunk', 'choices.tokens + $begin,', 'choices.tokens,'],
    ],
  },
  'train/objectives.cpp': {
    policy_ratios: [
      ['ratio: sign of old', '($lp) - $old;', '($lp) + $old;'],
      ['step ratio: sum, no mean', '= $sum / static_cast<double>($tokens)', '= $sum'],
      ['step ratio: the last token alone', '$sum += $ratio;', '$sum = $ratio;'],
    ],
    choice_metrics: [['choices: sign of the loss', 'loss_sum -=', 'loss_sum +=']],
    step_ratio_slopes: [
      ['step slope: sum, no mean', '= $sum / static_cast<double>($tokens)', '= $sum'],
      ['step slope: the last token alone', '$sum += policy_clip_slope(', '$sum = policy_clip_slope('],
      ['step slope: subtracted', '$sum += policy_clip_slope(', '$sum -= policy_clip_slope('],
      ['step slope: KL subtracted', '$slope += policy_kl_slope(', '$slope -= policy_kl_slope('],
      ['step slope: normalizer dropped', '($slope / $normalizer)', '($slope)'],
    ],
    policy_metrics: [
      ['metrics: k1 sign', 'k1_sum -=', 'k1_sum +='],
      ['metrics: k2 without its half', 'k2_sum += 0.5 *', 'k2_sum +='],
      ['metrics: k3 without delta', 'std::expm1($delta) - $delta', 'std::expm1($delta)'],
      ['metrics: delta turned', 'static_cast<double>($ref) - $lp;', 'static_cast<double>($lp) - $ref;'],
      ['metrics: KL loss without its half', 'kl_loss_sum += 0.5 *', 'kl_loss_sum +='],
      ['metrics: clip loss of the last token', 'clip_loss_sum +=', 'clip_loss_sum ='],
      ['metrics: every token clipped', 'clipped_count += $clipped;', 'clipped_count += 1;'],
      ['metrics: ratio sum', 'ratio_sum += $ratio', 'ratio_sum += 1'],
      ['metrics: smallest ratio', 'ratio_max = std::max(', 'ratio_max = std::min('],
    ],
  },
  'train/critic.cpp': {
    value_loss: [
      ['value slope: sign', '(2.0 / $normalizer)', '(-2.0 / $normalizer)'],
      ['value slope: the 2 forgotten', '(2.0 / $normalizer)', '(1.0 / $normalizer)'],
      ['value slope: normalizer dropped', '(2.0 / $normalizer)', '(2.0)'],
    ],
    value_metrics: [
      ['error: sign of the return', '($v) - $target;', '($v) + $target;'],
      ['loss: not squared', 'loss_sum += $error * $error', 'loss_sum += $error'],
    ],
  },
  'train/prefix.cpp': {
    shared_prefix: [
      ['prefix: what is read there forgotten', '$shared = std::min<int64_t>($shared, $position - $first);', ''],
      ['prefix: a sequence that ends with it', 'std::ssize($own) - 1});', 'std::ssize($own)});'],
    ],
    rows_after: [
      ['prefix: not taken away from later sequences', '$position - static_cast<int32_t>($s) *', '$position - 1 *'],
    ],
  },
  'train/trunk_rows.h': {
    read_rows: [
      ["one pass: the policy's gradient alone", '&& $scale != 0', '&& $scale == 1'],
      [
        'one pass: coefficient dropped',
        'scatter_rows($to, $from, $rows, $scale,',
        'scatter_rows($to, $from, $rows, 1,',
      ],
    ],
  },
  'train/trunk_rows.cpp': {
    upload_places: [['one pass: the row after', ', $row) - $first)', ', $row + 1) - $first)']],
  },
  'train/adapter.cpp': {
    at_tokens: [
      ["log-probs: a row's, not its token's", '($losses.positions[$m])] = $lp;', '($losses.predictors[$m])] = $lp;'],
    ],
    accumulate_sft: [
      ['SFT slope: sign', '(-1.0 / $normalizer)', '(1.0 / $normalizer)'],
      ['SFT slope: normalizer dropped', '(-1.0 / $normalizer)', '(-1.0)'],
      ['SFT loss: sign', 'loss_sum -= $lp', 'loss_sum += $lp'],
    ],
    '': [['actor: normalizer not inverted', '1.0 / $normalizer}', '$normalizer}']],
    accumulate: [
      ['own slopes: those of the first chunk', 'return $given + $first;', 'return $given;'],
      [
        'own slopes: not those of the tokens with a loss',
        'upload_at(*$backend, $arena, $dlp, $losses)',
        'upload_floats(*$backend, $arena, $dlp.data(), $losses.count())',
      ],
    ],
    logprob_loss: [['step slopes: those of the first chunk', 'return $dlp + $first;', 'return $dlp;']],
    accumulate_policy: [
      ['one pass: the head does not learn', '({$actor, &$critic})', '({$actor})'],
      ['two passes: the critic does not learn', 'if (!$critic->trunk()) $value =', 'if ($critic->trunk()) $value ='],
    ],
    run: [
      [
        "one pass: the actor's normalizer for the values",
        'value_loss($v, $batch, $normalizer,',
        'value_loss($v, $batch, 1,',
      ],
    ],
  },
  'cpu/value_head.cpp': {
    value_backward: [['slope: sign of the target', '$slope * ($v - $target)', '$slope * ($v + $target)']],
    value_head_forward: [['b2 dropped', '= $row + $bias;', '= $row;']],
    value_head_backward: [
      ['db2: sign', '$bias += $dv;', '$bias -= $dv;'],
      ['db2: = for +=', '$bias += $dv;', '$bias = $dv;'],
      ['dW1: = for +=', '1.0f, $weight, $columns);', '0.0f, $weight, $columns);'],
      ['dW1: sign', 'cpu_gemm(true, false, $m, $n, $k, 1.0f,', 'cpu_gemm(true, false, $m, $n, $k, -1.0f,'],
      ['dx: sign', 'cpu_gemm(false, false, $m, $n, $k, 1.0f,', 'cpu_gemm(false, false, $m, $n, $k, -1.0f,'],
    ],
  },
  'cpu/levels/value_head-inl.h': {
    value_forward: [
      ['b1 dropped', '$z += $bias;', '$z += 0 * $bias;'],
      ['w2 dropped', '+= $weight * $z /', '+= $z /'],
    ],
    value_backward: [
      ['dw2: without sigmoid', '+= $dv * $z * $sigmoid;', '+= $dv * $z;'],
      ['dw2: sign', '+= $dv * $z * $sigmoid;', '-= $dv * $z * $sigmoid;'],
      ["dz: silu' as sigmoid", '* $sigmoid * (1.0f + $z * (1.0f - $sigmoid))', '* $sigmoid'],
      ["dz: silu' with a minus", '(1.0f + $z * (1.0f - $sigmoid))', '(1.0f - $z * (1.0f - $sigmoid))'],
      ['dz: w2 dropped', '= $dv * $weight * $sigmoid *', '= $dv * $sigmoid *'],
      ['db1: sign', '$bias += $dz;', '$bias -= $dz;'],
    ],
  },
  'cuda/policy.cu': { slopes: [['ratio: sign of old', '($lp) - $old)', '($lp) + $old)']] },
  'cuda/logprob.cu': {
    logprob_forward_kernel: [['sum not rescaled', '$sum *= __expf($top - $largest);', '']],
    logprob_backward_kernel: [
      ['written over before it is read', '__syncthreads(); if ($j <', 'if ($j <'],
      ['target: its neighbour', '$j + $i == $target', '$j == $target'],
    ],
  },
  'cuda/value_head.cu': {
    forward_rows: [['b1 dropped', 'const float $own = $z + $bias;', 'const float $own = $z;']],
    subtract: [['slope: target dropped', '$slope * ($v - $target)', '$slope * $v']],
  },
};

// Mistakes of a kernel are of another kind, too: an index, an edge, a barrier, a product that is not waited for.
const attention = {
  'cpu/attention.cpp': {
    own_rows: [['prefix: not seen', '- $first, $packing.prefix}', '- $first, 0}']],
    attention_backward: [
      ['prefix: the sequences dropped from dk', 'sums_of($sums, $g).take($w.dk, $width), sums_of', 'sums_of'],
      ['prefix: its own queries dropped from dv', ', sums_of($sums, $g).give($w.dv, $width);', ';'],
    ],
  },
  'cpu/levels/attention-inl.h': {
    online_softmax: [
      ['earlier sums not rescaled', '= $sum * $factor + sum_lanes($added)', '= $sum + sum_lanes($added)'],
    ],
    attention_forward: [
      ['earlier output not rescaled', 'hn::Mul(load_lanes($row + $d), $factor)', 'load_lanes($row + $d)'],
      ['mask: one key too many', '$before + $query - $key + 1)', '$before + $query - $key + 2)'],
      ['lse: largest dropped', '= $largest + std::log(', '= std::log('],
    ],
    attention_backward: [
      ['delta dropped', 'hn::Mul($p, hn::Sub(load_lanes($row + $j), $delta))', 'hn::Mul($p, load_lanes($row + $j))'],
      ['mask: one key too many', '$before + $query - $key + 1)', '$before + $query - $key + 2)'],
      ['scale dropped', 'narrow<T>($scale * $slope)', 'narrow<T>($slope)'],
    ],
  },
  'cuda/attention.h': {
    lse: [['lse in powers of two', '/ kLog2E', '']],
    advance: [['softmax: largest not kept', 'top[$row] = $largest;', '']],
    store_accumulators: [
      ['stores: the second of two columns', 'narrow_pair($left, $right)', 'narrow_pair($left, $left)'],
    ],
  },
  'cuda/attention_forward.cu': {
    forward: [
      ['mask: one key too many', '&& $col > $row', '&& $col > $row + 1'],
      ['earlier sums not rescaled', 'at[2] *= $factor,', 'at[2] *= 1,'],
      ['no barrier before keys are loaded over', '__syncthreads(); } $softmax.finish(', '} $softmax.finish('],
    ],
  },
  'cuda/attention_backward.cu': {
    keys_backward: [
      ['keys: delta dropped', '* ($slope - $delta)', '* $slope'],
      ['keys: mask', '$row <= $ahead + $col', '$row < $ahead + $col'],
      ['keys: only the first head of a group', '$rounds = $each * $group; const auto', '$rounds = $each; const auto'],
      ['keys: no barrier before queries are loaded over', '__syncthreads(); } const', '} const'],
    ],
    queries_backward: [
      ['queries: delta dropped', '* ($slope - $delta)', '* $slope'],
      ['queries: mask', '$col <= $behind + $row', '$col < $behind + $row'],
      [
        'queries: no barrier before keys are loaded over',
        '__syncthreads(); } store_accumulators',
        '} store_accumulators',
      ],
    ],
  },
  'cuda/attention_forward_hopper.cu': {
    forward: [
      ['mask: one key too many', '$col > $first + $row', '$col > $first + $row + 1'],
      ['earlier sums not rescaled', 'at[2] *= $factor,', 'at[2] *= 1,'],
      ['scores not waited for', 'wait_for_products<1>(', 'wait_for_products<2>('],
      ['keys not waited for', 'ks.wait($turn); vs.wait(', 'vs.wait('],
      ['values not waited for', 'vs.wait($turn); start_scores', 'start_scores'],
      ['the last values not waited for', 'vs.wait($turn); start_output', 'start_output'],
      ['queries not waited for', 'qs.wait($turn); ks', 'ks'],
      [
        'values given back while they are read',
        'wait_for_products<0>($out); vs.release($turn); SPARK_UNROLL',
        'vs.release($turn); wait_for_products<0>($out); SPARK_UNROLL',
      ],
    ],
  },
  'cuda/attention_backward_hopper.cu': {
    keys_backward: [
      ['keys: delta dropped', '* ($slope - $delta)', '* $slope'],
      ['keys: mask', '$first + $row > $ahead + $col', '$first + $row >= $ahead + $col'],
      ['keys: queries beyond the sequence', '|| $col >= $rows) $score', ') $score'],
      ['keys: lse and delta of an odd token', '* kRows + $odd', '* kRows'],
      ['keys: slopes not waited for', 'wait_for_products<1>(ds)', 'wait_for_products<2>(ds)'],
      ['keys: own keys not waited for', 'own.wait($own); others', 'others'],
      [
        'keys: queries not waited for',
        'others.wait($turn); start_scores(); wait_for_products<1>(p); hold',
        'start_scores(); wait_for_products<1>(p); hold',
      ],
      ['keys: a slot never given back', 'hold(dk); others.release(before);', 'hold(dk);'],
    ],
    queries_backward: [
      ['queries: delta dropped', '* ($slope - $delta)', '* $slope'],
      ['queries: mask', '$col > $behind + $first + $row', '$col >= $behind + $first + $row'],
      ['queries: keys not waited for', 'others.wait($turn); start_scores(); add_rows', 'start_scores(); add_rows'],
      ['queries: a slot never given back', 'others.release(before); keep(', 'keep('],
    ],
  },
  'cuda/ring.h': {
    fill: [
      ['rings: the slot is not waited for', 'emptied($slot).wait($parity + 1);', ''],
      ['rings: the wrong phase', 'wait($parity + 1)', 'wait($parity)'],
    ],
    wait: [
      ['rings: a tile is not waited for', 'filled($slot).wait($parity);', ''],
      ['rings: the phase before', 'wait($parity)', 'wait($parity + 1)'],
    ],
    set: [['rings: one reader is not waited for', 'set(kReaders)', 'set(kReaders - 1)']],
  },
  'cuda/warpgroup.h': {
    by_columns: [['descriptors: second panel', '$col / kPanel * kPanelBytes +', '']],
    by_rows: [['descriptors: depth in rows', '$row * kPanel * 2', '$row * kPanel']],
    make: [['descriptors: eight rows', 'kEightRows = 8 *', 'kEightRows = 4 *']],
  },
  'cuda/attention_choice.cu': {
    choose_attention: [['disagreement ignored', 'if (!($most <= $allowed)) {', 'if ($most < 0) {']],
    attention_difference: [
      ['Hopper not tried', 'attention_ = $kernels;', ''],
      ['what the others wrote passes for its own', 'fill(static_cast<float*>($outputs), kUnwritten, $made / 2);', ''],
    ],
    has_hopper_code: [['a build without code is launched', '$there == 1', '$there != 0']],
  },
};

const unpacking = {
  'core/scales.h': {
    unpack_scale: [
      [
        'scales: top bits',
        '$scale = ($low & 0x0f) | (($top >> 6) << 4)',
        '$scale = ($low & 0x0f) | (($top >> 6) << 3)',
      ],
      ['scales: minimum of another group', '$minimum = $packed[$group + 4] & 63', '$minimum = $packed[$group] & 63'],
    ],
  },
  'core/dequantize.cpp': {
    'block<Packed<TensorType::Q4_K>>': [['Q4_K: minimum dropped', '- $minimum;', ';']],
    'block<Packed<TensorType::Q5_K>>': [['Q5_K: fifth bit', '& 1) << 4', '& 1) << 3']],
  },
  'core/packed/block.h': {
    nibble: [['high nibbles for the next half', 'first / 16 * 4', 'first / 8 % 2 * 4']],
    sixteen: [['one scale for two groups', '2 * $run + $at / 16', '2 * $run']],
  },
  'core/packed/plain.h': {
    'Packed<TensorType::Q4_0> / values': [['Q4_0: offset', '- 8)', '- 7)']],
    'Packed<TensorType::Q4_1> / values': [['Q4_1: minimum dropped', '+ $m;', ';']],
    'Packed<TensorType::Q5_0> / values': [['Q5_0: fifth bit', '& 1) << 4', '& 1) << 3']],
    'Packed<TensorType::Q5_1> / values': [['Q5_1: fifth bits of another eight', '4 + first / 8', '4']],
  },
  'core/packed/k.h': {
    'Packed<TensorType::Q2_K> / values': [['Q2_K: minimum dropped', '- $minimum;', ';']],
    'Packed<TensorType::Q3_K> / values': [['Q3_K: upper pairs of the scales', '$group / 4 * 2', '$group / 4']],
    'Packed<TensorType::Q4_K> / values': [['Q4_K: minimum dropped', '- $own.minimum;', ';']],
    'Packed<TensorType::Q5_K> / values': [['Q5_K: fifth bit', '& 1) << 4', '& 1) << 3']],
    'Packed<TensorType::Q6_K> / values': [['Q6_K: high pairs', '2 * $place.run', '$place.run']],
  },
  'core/packed/levels.h': {
    'Packed<TensorType::IQ4_XS> / values': [['IQ4_XS: upper pair of the scale', '2 * $group', '$group']],
    'Packed<TensorType::MXFP4> / values': [['MXFP4: exponent', '(e - 1) << 23', 'e << 23']],
    'Packed<TensorType::NVFP4> / scale': [['NVFP4: subnormal scales', '== 0 ? 1 :', '== 0 ? 0 :']],
  },
  'core/packed/grids.h': {
    with_eighth_sign: [['the eighth sign', '<< 7', '<< 6']],
    put_iq2: [['the largest magnitude', '+ $level / 2', '']],
    'Packed<TensorType::IQ2_S> / values': [['IQ2_S: upper pair of the number', '/ 8 * 2', '/ 8']],
    'Packed<TensorType::IQ3_S> / values': [['IQ3_S: ninth bit of the second number', '& 2) << 7', '& 2) << 6']],
    'Packed<TensorType::IQ3_XXS> / values': [['IQ3_XXS: the largest magnitude', '+ $level / 7 * 2', '']],
    'Packed<TensorType::IQ1_M> / values': [['IQ1_M: scale of another group', '/ 16 * 3', '/ 32 * 3']],
  },
  'core/packed/ternary.h': {
    'Packed<TensorType::TQ1_0> / values': [['TQ1_0: the middle bytes', '- 160) % 16', '- 160) % 8']],
  },
};

const fp8 = {
  'core/fp8.h': {
    float_to_e4m3: [['e4m3: ties away from even', '+ (($magnitude >> 20) & 1u)', '+ 1u']],
  },
  'cuda/device.h': {
    block_max: [["the largest of a warp for a block's", 'x = fmaxf(x, shared[$i])', 'x = x']],
  },
  'cuda/fp8_rows.cu': {
    quantise: [
      ["another row's scale", 'scales[$row] =', 'scales[0] ='],
      ['rows one after the other, whatever their stride', '$x += $row * $stride', '$x += $row * cols'],
      ['a row of zeros divided by zero', 'kLeastScaled) : kLeastScaled', '0) : 0'],
      [
        "LoRA's part is not seen by the row's scale",
        'block_max<kThreads>(fmaxf($most, fabsf($scaled))',
        'block_max<kThreads>($most',
      ],
      [
        "u's small digits dropped",
        'own[$lora + $r] = $low, own[3 * $lora + $r] = $low',
        'own[$lora + $r] = 0, own[3 * $lora + $r] = 0',
      ],
      [
        "u's rows one after the other, whatever their stride",
        'lora.u[$row * $stride + $r]',
        'lora.u[$row * lora.R + $r]',
      ],
      ['what stands behind the digits is kept', '$own[$i] = 0;', ';'],
    ],
    put_factor: [
      ['large digits beside large ones alone', '$to[2 * $rank + $r] =', '$to[$rank + $r] ='],
      ['the factor of another row', '$row * lora.row +', 'lora.row +'],
      ['c forgotten', '$value / ratios.balance(lora)', '$value'],
    ],
    balance: [
      ['the largest of the factor may not fit', 'warp_max($largest) / kLargestE4m3', '0.0f'],
      ['zeros divided by zero', '), kLeastBalance)', '), 0.0f)'],
    ],
    largest_scale: [['a small row shares the scale of the largest', '0x1p-8f', '1.0f']],
  },
  'cuda/fp8.cu': {
    transpose: [['no barrier behind the tile', '__syncthreads();', '']],
    fp8_forward: [['residual dropped', 'false, $residual, $m', 'false, nullptr, $m']],
    fp8_backward: [
      ["W's scales for those of its transpose", 'copies_of($w).transposed', 'copies_of($w).w'],
      ['what dx holds dropped', '$accumulate ? $dx : nullptr', 'nullptr'],
    ],
    fp8_product: [['the columns behind W and not behind x', '$n, $k + (joins ? $width : 0)', '$n, $k']],
  },
  'cuda/row_part.h': {
    at: [['the first part for every part', 'held[$k].values()', 'held[0].values()']],
  },
  'cuda/lora_pass.cu': {
    both_products: [
      ['a step before its copies', 'wait_for_copies<Own::kStages - 2>()', 'wait_for_copies<Own::kStages - 1>()'],
      ["the other rows' half of dB dropped", 'c.at[0] += more.x, c.at[1] += more.y', 'c.at[0] += 0, c.at[1] += 0'],
    ],
    add_blocks: [['scale forgotten', 'narrow($scale *', 'narrow(']],
  },
  'cuda/fp8_choice.cu': {
    require_fp8: [['another error passes for what the device lacks', 'if (e.code() !=', 'if (e.code() ==']],
  },
};

export const mutations = [losses, attention, unpacking, fp8]
  .flatMap((part) => Object.entries(part))
  .flatMap(([file, functions]) =>
    Object.entries(functions).flatMap(([inside, list]) =>
      list.map(([what = '', from = '', to = '']) => ({ file, inside, what, from, to })),
    ),
  );
