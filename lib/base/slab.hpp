// Memory for the many blocks that a program leaves behind: cut from large pieces whose pages come all at
// once, because a page fault for every few blocks costs more than translating them. Used where blocks are
// made.
#pragma once

#include <cstddef>

namespace ashlar {

/// Aligned to 16 bytes. Thread-safe. Throws std::bad_alloc. What is freed serves for allocations of about the
/// same size; the pieces but one go back to the host when nothing is allocated any more.
void* slab_allocate(std::size_t bytes);
/// `bytes` as given to slab_allocate.
void slab_free(void* memory, std::size_t bytes) noexcept;

}  // namespace ashlar
