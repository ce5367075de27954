// How the library reports an embedder's mistakes: a code for programs and a sentence for people.
// Nothing in Ashlar throws because of bad input.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include <ashlar/export.hpp>

namespace ashlar {

enum class ErrorCode {
  invalid_argument,  ///< a value outside the documented range
  invalid_ir,        ///< a block that the verifier refused
  parse_error,       ///< IR text that does not parse
  unknown_block,     ///< no block is registered under that id
  already_exists,    ///< the id or range is taken
  out_of_memory,     ///< the host refused memory, or a configured limit is reached
  out_of_range,      ///< a guest range outside the memory
  not_supported,     ///< this host, CPU or build can't do it
  io_error,          ///< the host's file system said no
};

/// The name of a code as it stands above, for logs.
ASHLAR_API const char* to_string(ErrorCode code) noexcept;

/// What went wrong. `message` is one sentence without a trailing full stop, fit to follow "error: ".
struct Error {
  ErrorCode code = ErrorCode::invalid_argument;
  std::string message;
};

/// Either a value or an Error. Whatever returns an error has changed nothing.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  /// Precondition: ok().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return &value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  /// Precondition: !ok().
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit on purpose
  bool ok() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace ashlar
