#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "factory_places.h"

namespace spark {

namespace fs = std::filesystem;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Of `folder`, those whose name begins with `start`; the greatest name first, so that newer versions come first.
std::vector<fs::path> below(const fs::path& folder, const std::string& start) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(start)) found.push_back(entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

// Where Python's packages are below a prefix: lib/python3.12/site-packages, Debian's dist-packages.
std::vector<fs::path> packages(const fs::path& prefix) {
  std::vector<fs::path> found;
  for (const fs::path& python : below(prefix / "lib", "python3")) {
    for (const char* name : {"site-packages", "dist-packages"}) found.push_back(python / name);
  }
  return found;
}

// Of the python3 on the PATH: an environment need not say that it is one.
std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> found;
  std::istringstream path(variable("PATH"));
  for (std::string folder; std::getline(path, folder, ':');) {
    std::error_code ignored;
    if (fs::exists(fs::path(folder) / "python3", ignored)) found.push_back(fs::path(folder).parent_path());
  }
  return found;
}

}  // namespace

std::string missing_library(const std::string& said) {
  const size_t end = said.find(": cannot open shared object file");
  if (end == std::string::npos) return "";
  const size_t space = said.rfind(' ', end);
  const std::string name = said.substr(space == std::string::npos ? 0 : space + 1, end - (space + 1));
  return name.starts_with("lib") && name.find('/') == std::string::npos ? name : "";
}

std::vector<fs::path> cuda_places(const std::string& library) {
  std::vector<fs::path> all;
  const std::string own = variable("SPARK_RL_CUBLAS"), conda = variable("CONDA_PREFIX"),
                    environment = variable("VIRTUAL_ENV"), home = variable("HOME");
  if (!own.empty()) {
    all.emplace_back(own);
    all.push_back(fs::path(own) / "lib");
    all.push_back(fs::path(own).parent_path());  // the file itself was named
  }
  if (!conda.empty()) all.push_back(fs::path(conda) / "lib");
  std::vector<fs::path> prefixes = python_prefixes();
  for (const std::string& prefix :
       {environment, conda, home.empty() ? home : home + "/.local", std::string("/usr/local"), std::string("/usr")}) {
    if (!prefix.empty()) prefixes.emplace_back(prefix);
  }
  const std::string major = library.substr(library.rfind('.') + 1);  // of libcublasLt.so.13
  for (const fs::path& prefix : prefixes) {
    for (const fs::path& site : packages(prefix)) {
      for (const std::string& name : {"cu" + major, std::string("cublas")})
        all.push_back(site / "nvidia" / name / "lib");
    }
  }
  for (const char* prefix : {"/usr/local", "/opt"}) {
    for (const fs::path& toolkit : below(prefix, "cuda")) {
      all.push_back(toolkit / "lib64");
      all.push_back(toolkit / "targets/x86_64-linux/lib");
      all.push_back(toolkit / "targets/sbsa-linux/lib");
    }
  }
  std::erase_if(all, [](const fs::path& folder) {
    std::error_code ignored;
    return folder.empty() || !fs::is_directory(folder, ignored);
  });
  return all;
}

}  // namespace spark
