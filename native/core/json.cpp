// Strict JSON.
#include "core/json.h"

#include <set>
#include <vector>

#include "core/error.h"

namespace spark {

nlohmann::json parse_json(std::string_view text, const std::string& path) {
  using json = nlohmann::json;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string repeated;
  const auto watch = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty()) {
      const std::string key = value.get<std::string>();
      if (!keys.back().insert(key).second && repeated.empty()) repeated = key;
    }
    return true;
  };
  json result;
  try {
    result = json::parse(text.begin(), text.end(), watch);
  } catch (const json::exception& e) {
    throw Error("invalid_file",
                path + ": expected JSON, got text that does not parse (" + std::string(e.what()).substr(0, 200) + ")");
  }
  if (!repeated.empty()) throw Error("invalid_file", path + ": expected each name once, got " + repeated + " twice");
  return result;
}

}  // namespace spark
