// The back end of the machine that the library runs on. Used by the engine; the one place that chooses.
#pragma once

#include <memory>

#include "codegen/backend.hpp"

namespace ashlar::engine {

/// Null where there is none: everything is interpreted then.
std::unique_ptr<codegen::Backend> make_host_backend();

}  // namespace ashlar::engine
