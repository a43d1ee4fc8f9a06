// JSON from a file that may be anything: parsed with repeated keys refused, every failure an Error naming the file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace spark {

nlohmann::json parse_json(std::string_view text, const std::string& path);

}  // namespace spark
