// Names of blocks as profilers and debuggers show them. See <ashlar/debug.hpp>.
#include <cstdio>

#include <ashlar/debug.hpp>

namespace ashlar::debug {

std::string symbol_of(const BlockKey& key, const Namer& name) {
  std::string text = name ? name(key.addr) : std::string();
  // A guest's symbol table may hold anything; a line of a map must stay a line.
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (text.empty()) text = "guest";
  char address[32];
  std::snprintf(address, sizeof address, " [0x%llx]", static_cast<unsigned long long>(key.addr.value));
  return text + address;
}

}  // namespace ashlar::debug
