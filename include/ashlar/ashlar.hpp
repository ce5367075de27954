// The whole public API.
#pragma once

#include <ashlar/block_builder.hpp>  // IWYU pragma: export
#include <ashlar/block_store.hpp>    // IWYU pragma: export
#include <ashlar/code_listener.hpp>  // IWYU pragma: export
#include <ashlar/debug.hpp>          // IWYU pragma: export
#include <ashlar/engine.hpp>         // IWYU pragma: export
#include <ashlar/export.hpp>         // IWYU pragma: export
#include <ashlar/float_env.hpp>      // IWYU pragma: export
#include <ashlar/frontend.hpp>       // IWYU pragma: export
#include <ashlar/hybrid.hpp>         // IWYU pragma: export
#include <ashlar/ir.hpp>             // IWYU pragma: export
#include <ashlar/ir_text.hpp>        // IWYU pragma: export
#include <ashlar/linux.hpp>          // IWYU pragma: export
#include <ashlar/memory.hpp>         // IWYU pragma: export
#include <ashlar/result.hpp>         // IWYU pragma: export
#include <ashlar/riscv.hpp>          // IWYU pragma: export
#include <ashlar/scheduler.hpp>      // IWYU pragma: export
#include <ashlar/state_layout.hpp>   // IWYU pragma: export
#include <ashlar/stats.hpp>          // IWYU pragma: export
#include <ashlar/stats_watcher.hpp>  // IWYU pragma: export
#include <ashlar/types.hpp>          // IWYU pragma: export
#include <ashlar/vcpu.hpp>           // IWYU pragma: export
