#include "core/gguf_parts.h"

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/error.h"

namespace spark {

namespace {

constexpr const char* kCount = "split.count";
constexpr const char* kNumber = "split.no";
constexpr const char* kTensors = "split.tensors.count";
constexpr size_t kNamed = 8;  // missing parts that a message names

[[noreturn]] void refuse(const GgufFile& part, const std::string& problem) {
  throw Error("invalid_file", part.path() + ": " + problem);
}

int64_t number_of(const GgufFile& part, const std::string& key, GgufType type) {
  const std::optional<GgufType> got = part.type(key);
  if (got != type) {
    refuse(part, key + ": expected " + gguf_type_name(type) + " in a part of a model, got " +
                     (got ? gguf_type_name(*got) : "none"));
  }
  return part.require_int(key);
}

// As llama.cpp writes and looks for it.
std::string ending(int64_t number, int64_t count) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05lld-of-%05lld.gguf", static_cast<long long>(number + 1),
                static_cast<long long>(count));
  return text;
}

std::string prefix_of(const GgufFile& part, int64_t number, int64_t count) {
  const std::string own = ending(number, count), &path = part.path();
  if (number >= 0 && number < count && path.size() > own.size() && path.ends_with(own))
    return path.substr(0, path.size() - own.size());
  refuse(part, "expected a name that ends in " + own + ", as this part of " + std::to_string(count) +
                   " has to have; give it its name back");
}

void require_all(const std::string& prefix, int64_t count) {
  std::vector<std::string> missing;
  for (int64_t i = 0; i < count; ++i) {
    std::error_code error;
    if (!std::filesystem::exists(prefix + ending(i, count), error)) missing.push_back(prefix + ending(i, count));
  }
  if (missing.empty()) return;
  std::string names;
  for (size_t i = 0; i < missing.size() && i < kNamed; ++i) names += (i ? ", " : "") + missing[i];
  if (missing.size() > kNamed) names += " and " + std::to_string(missing.size() - kNamed) + " more";
  throw Error("io_error", "expected all " + std::to_string(count) + " parts of the model, got no " + names +
                              "; download what is missing into the same folder");
}

class Parts final : public GgufFile {
 public:
  explicit Parts(std::vector<std::shared_ptr<GgufFile>> parts) : parts_(std::move(parts)) {
    const int64_t count = static_cast<int64_t>(parts_.size());
    for (int64_t i = 0; i < count; ++i) add(*parts_[static_cast<size_t>(i)], i, count);
    const int64_t expected = number_of(first(), kTensors, GgufType::I32);
    if (expected != static_cast<int64_t>(tensors_.size())) {
      refuse(first(), std::string(kTensors) + ": expected " + std::to_string(expected) +
                          " tensors in all parts together, got " + std::to_string(tensors_.size()));
    }
    for (const GgufEntry& entry : first().entries()) {
      if (!hides(entry.key)) entries_.push_back(entry);
    }
  }

  const std::string& path() const override { return first().path(); }
  const std::vector<GgufTensor>& tensors() const override { return tensors_; }
  const std::vector<GgufEntry>& entries() const override { return entries_; }
  const GgufTensor* find(const std::string& name) const override {
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : &tensors_[it->second];
  }
  bool has(const std::string& key) const override { return !hides(key) && first().has(key); }
  int64_t require_int(const std::string& key) const override { return first().require_int(key); }
  int64_t get_int(const std::string& key, int64_t fallback) const override {
    return hides(key) ? fallback : first().get_int(key, fallback);
  }
  double get_float(const std::string& key, double fallback) const override { return first().get_float(key, fallback); }
  std::string require_string(const std::string& key) const override { return first().require_string(key); }
  std::string get_string(const std::string& key, const std::string& fallback) const override {
    return first().get_string(key, fallback);
  }
  std::optional<GgufType> type(const std::string& key) const override {
    return hides(key) ? std::nullopt : first().type(key);
  }
  std::optional<GgufArray> array(const std::string& key) const override { return first().array(key); }
  std::optional<bool> flag(const std::string& key) const override { return first().flag(key); }

 private:
  static bool hides(const std::string& key) { return key == kCount || key == kNumber || key == kTensors; }

  const GgufFile& first() const { return *parts_.front(); }

  void add(const GgufFile& part, int64_t expected, int64_t count) {
    const int64_t number = number_of(part, kNumber, GgufType::U16), of = number_of(part, kCount, GgufType::U16);
    if (number != expected || of != count) {
      refuse(part, "expected part " + std::to_string(expected + 1) + " of " + std::to_string(count) +
                       ", as its name has it, got part " + std::to_string(number + 1) + " of " + std::to_string(of));
    }
    for (const GgufTensor& tensor : part.tensors()) {
      if (!index_.emplace(tensor.name, tensors_.size()).second) {
        refuse(part, "tensor " + tensor.name + ": expected each tensor name once in all parts, got it twice");
      }
      tensors_.push_back(tensor);
    }
  }

  std::vector<std::shared_ptr<GgufFile>> parts_;  // they keep the maps that the tensors point into
  std::vector<GgufTensor> tensors_;
  std::vector<GgufEntry> entries_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace

std::shared_ptr<GgufFile> join_gguf_parts(std::shared_ptr<GgufFile> part) {
  // Of another type it is refused with the other metadata.
  if (part->type(kCount) != GgufType::U16) return part;
  const int64_t count = part->require_int(kCount);
  if (count <= 1) return part;
  const int64_t number = number_of(*part, kNumber, GgufType::U16);
  const std::string prefix = prefix_of(*part, number, count);
  require_all(prefix, count);
  std::vector<std::shared_ptr<GgufFile>> parts;
  for (int64_t i = 0; i < count; ++i) {
    parts.push_back(i == number ? part : open_gguf_part(prefix + ending(i, count)));
  }
  return std::make_shared<Parts>(std::move(parts));
}

std::shared_ptr<GgufFile> GgufFile::open(const std::string& path) { return join_gguf_parts(open_gguf_part(path)); }

}  // namespace spark
