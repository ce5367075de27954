// The version that <ashlar/version.hpp> reports; the build passes it in, so that meson.build alone states it.
#include <ashlar/version.hpp>

namespace ashlar {

std::string_view version() noexcept { return ASHLAR_VERSION; }

}  // namespace ashlar
