// The log of a block's code while somebody asks for a listing. Used by the compiler and by emitters that take
// instructions back or encode them by hand.
#pragma once

#include <string>

#include <asmjit/core.h>

namespace ashlar::host {

/// Collects what the assembler logs. What is taken back must not stand in it.
class Listing final : public asmjit::Logger {
 public:
  std::string text;
  bool silent = false;
  /// Takes the last line out that is no comment, and returns it.
  std::string take_last_instruction();

 protected:
  asmjit::Error _log(const char* data, std::size_t size) noexcept override;
};

}  // namespace ashlar::host
