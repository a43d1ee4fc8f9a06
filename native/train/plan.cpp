#include "train/plan.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <span>

#include "core/error.h"
#include "train/adapter.h"
#include "train/core.h"
#include "train/critic.h"
#include "train/logprobs.h"
#include "train/prefix.h"
#include "train/trunk_rows.h"

namespace spark {

namespace {

constexpr size_t kEndless = size_t{1} << 45;  // size of the dry run's arena: one chunk that no pass outgrows

// A batch with the sizes of `shape` for the dry run. Masks, positions and where sequences begin to differ decide
// memory; the rest is zeros.
struct ZeroBatch {
  std::vector<int32_t> tokens, cu_seqlens{0}, step_ids, value_positions, choice_positions, choice_offsets{0},
      choice_tokens;
  std::vector<uint8_t> loss_mask;
  std::vector<float> zeros, returns, choice_targets;

  ZeroBatch(const BatchShape& shape, int64_t vocabulary)
      : tokens(static_cast<size_t>(shape.tokens)),
        step_ids(tokens.size()),
        value_positions(static_cast<size_t>(shape.values)),
        loss_mask(tokens.size()),
        zeros(tokens.size()),
        returns(value_positions.size()),
        choice_targets(static_cast<size_t>(shape.alternatives)) {
    // Values at the last rows, losses at the first of each sequence: the two share as few rows as they can, so that the
    // trunk's output has the most rows that such a batch can make it have.
    std::vector<int32_t> open;  // behind the prefix of their sequences
    int64_t losses = shape.loss_tokens, rest = shape.tokens;
    for (int64_t s = 0; s < shape.sequences; ++s) {
      // The longest sequence comes first; the others share the remaining tokens evenly.
      const int64_t others = shape.sequences - s - 1, first = cu_seqlens.back();
      const int64_t length = s == 0 ? std::max(shape.longest, rest - others * shape.longest) : rest / (others + 1);
      rest -= length;
      cu_seqlens.push_back(static_cast<int32_t>(first + length));
      const int64_t own = first + shape.prefix;
      for (int64_t i = own; i < first + length; ++i) open.push_back(static_cast<int32_t>(i));
      // Behind the prefix no two neighbours go on alike, so that no more than it is shared: that takes the most memory.
      tokens[static_cast<size_t>(own)] = static_cast<int32_t>(s % vocabulary);
      std::fill_n(step_ids.begin() + first, length, static_cast<int32_t>(s));
      const int64_t marked = std::min(losses, length - shape.prefix - 1);
      std::fill_n(loss_mask.begin() + own + 1, marked, uint8_t{1});
      losses -= marked;
    }
    std::copy(open.end() - shape.values, open.end(), value_positions.begin());
    place_choices(open, shape.choices);
    fill_choices(shape, vocabulary);
  }

  // Choices at rows that nothing else reads, as long as there are some.
  void place_choices(std::span<const int32_t> open, int64_t choices) {
    std::vector<uint8_t> taken(tokens.size());  // 1 where log-probs or values are read
    for (size_t i = 1; i < tokens.size(); ++i) taken[i - 1] = loss_mask[i];
    for (const int32_t position : value_positions) taken[static_cast<size_t>(position)] = 1;
    for (const uint8_t wanted : {uint8_t{0}, uint8_t{1}}) {
      for (size_t i = 0; i < open.size() && std::ssize(choice_positions) < choices; ++i) {
        if (taken[static_cast<size_t>(open[i])] == wanted) choice_positions.push_back(open[i]);
      }
    }
    std::sort(choice_positions.begin(), choice_positions.end());
  }

  // The first choices take all alternatives that they can: the largest choice decides how many rows of the output
  // projection are unpacked at a time.
  void fill_choices(const BatchShape& shape, int64_t vocabulary) {
    for (int64_t g = 0; g < shape.choices; ++g) {
      const int64_t others = 2 * (shape.choices - g - 1), begin = choice_offsets.back();
      const int64_t own = std::min(vocabulary, shape.alternatives - begin - others);
      choice_offsets.push_back(static_cast<int32_t>(begin + own));
      for (int64_t j = 0; j < own; ++j) choice_tokens.push_back(static_cast<int32_t>(j));
    }
  }

  Batch view() const {
    return {tokens,          cu_seqlens, loss_mask,        zeros,          zeros,         zeros,         step_ids,
            value_positions, returns,    choice_positions, choice_offsets, choice_tokens, choice_targets};
  }
};

void check_shape(const BatchShape& s, int64_t vocabulary) {
  const auto require = [](bool holds, const char* field, const std::string& expected, int64_t got) {
    if (!holds)
      throw Error("invalid_argument",
                  std::string("shape.") + field + ": expected " + expected + ", got " + std::to_string(got));
  };
  constexpr int64_t kMost = int64_t{1} << 30;
  require(s.tokens >= 1 && s.tokens <= kMost, "tokens", "1 to " + std::to_string(kMost), s.tokens);
  require(s.sequences >= 1 && s.sequences <= s.tokens, "sequences", "1 to the number of tokens", s.sequences);
  const int64_t most_shared = s.tokens / s.sequences - 1;  // every sequence goes on after the prefix
  require(s.prefix >= 0 && s.prefix <= most_shared, "prefix", "0 to " + std::to_string(most_shared), s.prefix);
  const int64_t shortest = (s.tokens + s.sequences - 1) / s.sequences;
  const int64_t longest = s.tokens - (s.sequences - 1) * (s.prefix + 1);
  require(s.longest >= shortest && s.longest <= longest, "longest",
          std::to_string(shortest) + " to " + std::to_string(longest), s.longest);
  const int64_t open = s.tokens - s.sequences * s.prefix, losses = open - s.sequences;
  const std::string most_open = std::to_string(open);
  require(s.loss_tokens >= 0 && s.loss_tokens <= losses, "lossTokens", "0 to " + std::to_string(losses), s.loss_tokens);
  require(s.values >= 0 && s.values <= open, "values", "0 to " + most_open, s.values);
  require(s.choices >= 0 && s.choices <= open, "choices", "0 to " + most_open, s.choices);
  const int64_t fewest = 2 * s.choices, most = s.choices * vocabulary;
  require(s.alternatives >= fewest && s.alternatives <= std::min(most, kMost), "alternatives",
          std::to_string(fewest) + " to " + std::to_string(std::min(most, kMost)), s.alternatives);
}

std::string settings_key(const Pass& pass) {
  std::string key = std::to_string(pass.lora->rank);
  for (const std::string& target : pass.lora->targets) key += " " + target;
  for (const LoraWeight& w : pass.lora->weights) {
    key += " " + w.name + " " + std::to_string(w.rank) + " " + std::to_string(w.alpha);
  }
  return key;
}

std::string megabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) * 1e-6);
  return text;
}

}  // namespace

BatchShape shape_of(const Batch& batch, const Pass& pass, bool shares) {
  BatchShape shape;
  shape.tokens = static_cast<int64_t>(batch.tokens.size());
  shape.sequences = static_cast<int64_t>(batch.cu_seqlens.size()) - 1;
  for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
    shape.longest = std::max<int64_t>(shape.longest, batch.cu_seqlens[s + 1] - batch.cu_seqlens[s]);
  }
  const LossPositions losses = pass.reads_logprobs() ? find_losses(batch) : LossPositions();
  const auto values = pass.reads_values() ? batch.value_positions : std::span<const int32_t>();
  shape.loss_tokens = losses.count();
  shape.values = std::ssize(values);
  shape.choices = static_cast<int64_t>(batch.choice_positions.size());
  shape.alternatives = static_cast<int64_t>(batch.choice_tokens.size());
  if (shares) shape.prefix = shared_prefix(batch, rows_read(losses.predictors, values, batch.choice_positions));
  return shape;
}

Planner::Planner(const EngineCore& core, const std::string& recompute, int64_t limit)
    : recompute_(recompute), limit_(limit), weights_(static_cast<int64_t>(core.backend->weight_bytes())) {
  constexpr const char* kKnown[] = {"auto", "none", "cheap", "block", "offload"};
  if (std::find(std::begin(kKnown), std::end(kKnown), recompute) == std::end(kKnown)) {
    throw Error("invalid_argument", "recompute: expected auto, none, cheap, block or offload, got " + recompute);
  }
  if (limit < 0) throw Error("invalid_argument", "memoryLimit: expected bytes, got " + std::to_string(limit));
  if (limit_ == 0) limit_ = core.backend->available_bytes() / 10 * 9;
  auto backend = std::make_unique<CountingBackend>(*core.backend);
  backend_ = backend.get();
  dry_ = std::make_shared<EngineCore>(std::move(backend), core.llama.weights().file, nullptr);
  dry_->arena.reserve(kEndless);
}

Planner::~Planner() = default;

void Planner::run(const Pass& pass, const BatchShape& shape) {
  const ZeroBatch zeros(shape, dry_->llama.config().vocabulary);
  const Batch batch = zeros.view();
  if (!pass.lora) {
    policy_logprobs(*dry_, batch, nullptr, nullptr);
    return;
  }
  if (pass.kind == Pass::Values) {
    critic(pass)->values(batch, nullptr);
  } else if (pass.kind == Pass::Value) {
    critic(pass)->accumulate_value(batch, 1, nullptr);
  } else if (pass.kind == Pass::LogprobsAndValues) {
    static_cast<LoraCritic&>(*critic(pass)).logprobs_and_values(batch, nullptr);
  } else if (pass.kind == Pass::Logprobs) {
    policy_logprobs(*dry_, batch, &static_cast<LoraAdapter&>(*adapter(pass)).trained().lora(), nullptr);
  } else if (pass.kind == Pass::Accumulate) {
    adapter(pass)->accumulate(batch, zeros.zeros, nullptr);
  } else {
    PolicyOptions options;
    options.step_ratio = pass.kind == Pass::PolicyBySteps;
    if (pass.shared_trunk) options.value.critic = critic(pass).get();
    adapter(pass)->accumulate_policy(batch, options, nullptr);
  }
}

std::shared_ptr<Adapter> Planner::adapter(const Pass& pass) {
  std::shared_ptr<Adapter>& known = adapters_[settings_key(pass)];
  if (!known) known = LoraAdapter::blank(dry_, *pass.lora);
  return known;
}

std::shared_ptr<Critic> Planner::critic(const Pass& pass) {
  const std::string sort = std::to_string(pass.hidden) + (pass.shared_trunk ? " over " : " beside ");
  std::shared_ptr<Critic>& known = critics_[sort + settings_key(pass)];
  if (!known) known = LoraCritic::blank(dry_, {*pass.lora, pass.hidden, pass.shared_trunk ? adapter(pass) : nullptr});
  return known;
}

int64_t Planner::activation_bytes(const Pass& pass, const BatchShape& shape, Recompute recompute) {
  dry_->recompute = recompute;
  dry_->arena.reset();
  backend_->reset_needs();
  run(pass, shape);
  return static_cast<int64_t>(dry_->arena.peak());
}

MemoryPlan Planner::plan(const EngineCore& core, const Pass& pass, BatchShape shape) {
  check_shape(shape, core.llama.config().vocabulary);
  // What is not read takes no rows from what is.
  if (!pass.reads_logprobs()) shape.loss_tokens = 0;
  if (!pass.reads_values()) shape.values = 0;
  MemoryPlan plan;
  plan.limit = limit_;
  plan.weights = weights_;
  plan.parameters = static_cast<int64_t>(core.backend->allocated() - core.arena.bytes());
  const bool offloads = core.backend->offloads();
  const std::string wanted = recompute_ == "offload" && !offloads ? "block" : recompute_;
  for (const Recompute recompute : {Recompute::None, Recompute::Cheap, Recompute::Block, Recompute::Offload}) {
    if (wanted != "auto" && wanted != recompute_name(recompute)) continue;
    if (recompute == Recompute::Offload && !offloads) continue;
    plan.recompute = recompute_name(recompute);
    plan.activations = activation_bytes(pass, shape, recompute);
    plan.host = backend_->host_bytes();
    plan.workspace = static_cast<int64_t>(core.backend->workspace_bytes(backend_->needs()));
    plan.total = plan.weights + plan.parameters + plan.activations + plan.workspace;
    plan.fits = plan.total <= plan.limit;
    // Without a backward pass nothing is kept, so no recomputation would take less.
    if (plan.fits || !pass.trains()) break;
  }
  return plan;
}

std::string plan_text(const MemoryPlan& plan, const BatchShape& shape) {
  const std::string shared =
      shape.prefix > 0 ? ", all begin with the same " + std::to_string(shape.prefix) + ", computed once" : "";
  return "a pass over " + std::to_string(shape.tokens) + " tokens (the longest sequence has " +
         std::to_string(shape.longest) + shared + ") needs " + megabytes(plan.total) + ": base weights " +
         megabytes(plan.weights) + ", trained parameters " + megabytes(plan.parameters) + ", activations " +
         megabytes(plan.activations) + " with recompute " + plan.recompute + ", scratch " + megabytes(plan.workspace) +
         (plan.host > 0 ? ", of the host's pinned memory " + megabytes(plan.host) : "") + "; the limit is " +
         megabytes(plan.limit) +
         ". Use fewer tokens in a pass (microBatchTokens), recompute auto, block or (on a GPU) offload, a smaller or "
         "quantised model, or a higher memoryLimit";
}

}  // namespace spark
