// Names of error codes, for whoever logs a Result.
#include <ashlar/result.hpp>

namespace ashlar {

const char* to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::invalid_ir:
      return "invalid_ir";
    case ErrorCode::parse_error:
      return "parse_error";
    case ErrorCode::unknown_block:
      return "unknown_block";
    case ErrorCode::already_exists:
      return "already_exists";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::out_of_range:
      return "out_of_range";
    case ErrorCode::not_supported:
      return "not_supported";
    case ErrorCode::io_error:
      return "io_error";
  }
  return "unknown error code";
}

}  // namespace ashlar
