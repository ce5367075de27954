// Code that no CPU executes: records like a back end's whose code says which block it belongs to and where
// its branches go, so that tests can walk it as a CPU would. And two real functions per host for what must be
// executed.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "cache/code_cache.hpp"
#include "codegen/emitted.hpp"
#include "codegen/patcher.hpp"

namespace ashlar::test {

/// A branch is a word of eight bytes that holds the distance from itself to its target.
class FakePatcher final : public codegen::Patcher {
 public:
  explicit FakePatcher(std::int64_t range = std::int64_t{1} << 31) : range_(range) {}
  bool retarget(std::byte* site_rw, const std::byte* site, const std::byte* target) const noexcept override {
    const std::int64_t distance = target - site;
    if (distance >= range_ || distance < -range_) return false;
    std::atomic_ref<std::int64_t>(*reinterpret_cast<std::int64_t*>(site_rw))
        .store(distance, std::memory_order_release);
    return true;
  }

 private:
  std::int64_t range_;
};

inline constexpr std::uint64_t kFakeMagic = 0x6873616c5f65646f;

/// Words: magic, address, mode, one branch for each target, one stub for each target, filler, magic again.
inline codegen::Emitted fake_code(BlockKey key, const std::vector<BlockKey>& targets,
                                  std::size_t filler_words = 0, std::vector<GuestRange> ranges = {}) {
  codegen::Emitted emitted;
  std::vector<std::uint64_t> words{kFakeMagic, key.addr.value, key.mode};
  const std::size_t branches = words.size();
  const std::size_t stubs = branches + targets.size();
  for (std::size_t i = 0; i < targets.size(); ++i) words.push_back(8 * (stubs - branches));
  for (std::size_t i = 0; i < targets.size(); ++i) {
    words.push_back(i);
    codegen::ExitSite site;
    site.target = targets[i];
    site.patch_offset = static_cast<std::uint32_t>(8 * (branches + i));
    site.stub_offset = static_cast<std::uint32_t>(8 * (stubs + i));
    site.return_offset = site.stub_offset + 8;
    emitted.exits.push_back(site);
  }
  for (std::size_t i = 0; i < filler_words; ++i) words.push_back(0);
  words.push_back(~kFakeMagic);
  emitted.key = key;
  emitted.code.resize(words.size() * 8);
  std::memcpy(emitted.code.data(), words.data(), emitted.code.size());
  emitted.guest_ranges = std::move(ranges);
  emitted.guest_inst_count = 1;
  return emitted;
}

/// What a CPU would fetch.
inline std::uint64_t fetch(const std::byte* at) {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(at)))
      .load(std::memory_order_acquire);
}
/// Where the branch of an exit goes.
inline const std::byte* branch_target(const cache::Translation& from, std::size_t exit) {
  const std::byte* const site = from.code() + from.exits()[exit].site.patch_offset;
  return site + static_cast<std::int64_t>(fetch(site));
}
inline const std::byte* stub_of(const cache::Translation& from, std::size_t exit) {
  return from.code() + from.exits()[exit].site.stub_offset;
}
inline BlockKey key_in_code(const std::byte* code) { return {{fetch(code + 8)}, fetch(code + 16)}; }

/// One aligned word of eight bytes: a function that returns `value`, which is below 65536.
inline std::uint64_t returning(std::uint32_t value) {
#if defined(__aarch64__)
  return (0x52800000u | std::uint64_t{value} << 5) | std::uint64_t{0xd65f03c0u}
                                                         << 32;  // movz w0, #value; ret
#else
  return 0xb8u | std::uint64_t{value} << 8 | std::uint64_t{0xc3} << 40 |
         std::uint64_t{0x9090} << 48;  // mov eax; ret
#endif
}
inline std::uint32_t call(const std::byte* code) {
  return reinterpret_cast<std::uint32_t (*)()>(reinterpret_cast<std::uintptr_t>(code))();
}

/// Owns its words; good as long as it lives.
struct RealProbe {
  std::uint64_t first = returning(1111), second = returning(2222);
  std::uint32_t first_result = 1111, second_result = 2222;
  cache::CodeProbe get() const {
    return {std::as_bytes(std::span(&first, 1)), first_result, std::as_bytes(std::span(&second, 1)),
            second_result};
  }
};

/// Memory for code that is not executed: a host on which overwritten code can't be is good enough.
inline std::unique_ptr<cache::CodeMemory> make_memory(cache::CodeMemoryKind kind, std::uint64_t limit,
                                                      std::size_t page_size = 0) {
  RealProbe probe;
  probe.second = probe.first;
  probe.second_result = probe.first_result;
  auto memory = cache::CodeMemory::create({limit, kind, probe.get(), page_size});
  if (!memory) {
    FAIL("no code memory: " << memory.error().message);
    return nullptr;
  }
  return std::move(memory).value();
}

inline constexpr cache::CodeMemoryKind kRealKinds[] = {cache::CodeMemoryKind::dual_mapped,
                                                       cache::CodeMemoryKind::toggled};

}  // namespace ashlar::test
