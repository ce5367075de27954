// The back end of the machine that the library runs on. Used by the engine; the one place that chooses.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <ashlar/result.hpp>

#include "codegen/backend.hpp"

namespace ashlar::engine {

/// For translations in up to `code_limit` bytes of code memory. Null where there is none: everything is
/// interpreted then.
std::unique_ptr<codegen::Backend> make_host_backend(std::uint64_t code_limit);

/// The back end for code of the named architecture ("x64", "a64"), which this machine need not be able to
/// run. invalid_argument for another name.
Result<std::unique_ptr<codegen::Backend>> make_named_backend(std::string_view arch);

}  // namespace ashlar::engine
