#include "host/common/listing.hpp"

#include <cstdint>
#include <cstring>

namespace ashlar::host {

asmjit::Error Listing::_log(const char* data, std::size_t size) noexcept {
  if (!silent) text.append(data, size == SIZE_MAX ? std::strlen(data) : size);
  return asmjit::kErrorOk;
}

std::string Listing::take_last_instruction() {
  std::size_t end = text.size();
  while (end != 0) {
    const std::size_t begin = end == 1 ? 0 : text.rfind('\n', end - 2) + 1;
    if (text[text.find_first_not_of(' ', begin)] != ';') {
      std::string line = text.substr(begin, end - begin);
      text.erase(begin, end - begin);
      return line;
    }
    end = begin;
  }
  return {};
}

}  // namespace ashlar::host
