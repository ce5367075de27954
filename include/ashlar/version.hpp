// The library's own version, for embedders that link against a shared Ashlar.
#pragma once

#include <string_view>

#include <ashlar/export.hpp>

namespace ashlar {

/// The version of the library that is running, as "major.minor.patch". It can differ from the headers that
/// the caller was compiled with. Any thread may call it at any time; the text lives as long as the process.
[[nodiscard]] ASHLAR_API std::string_view version() noexcept;

}  // namespace ashlar
