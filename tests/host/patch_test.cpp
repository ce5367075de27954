// Patching of AArch64 branches: near targets, and those that only a veneer reaches. Runs on every machine.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include <ashlar/ir_text.hpp>

#include "codegen/backend.hpp"
#include "support/native_machine.hpp"
#include "support/test_guest.hpp"

namespace ashlar {
namespace {

constexpr std::int64_t kReach = std::int64_t{128} << 20;

/// A block with one link, in writable memory that is said to be executable at another place.
struct Patched {
  explicit Patched(bool far_code) {
    codegen::HostFeatures features;
    features.far_code = far_code;
    backend = codegen::make_a64_backend(features);
    auto block = ir::parse("block 0x1000 {\n  add64_i x0, x0, 1\n  jump -> 0x2000\n}\n", test::test_layout());
    REQUIRE(block);
    REQUIRE(backend->make_compiler(test::test_layout())->compile(**block, {}, emitted));
    REQUIRE(emitted.exits.size() == 1);
    words.resize(emitted.code.size() / 8 + 1);
    std::memcpy(words.data(), emitted.code.data(), emitted.code.size());
  }
  std::uint32_t offset() const { return emitted.exits[0].patch_offset; }
  std::byte* at(std::uint32_t o) { return reinterpret_cast<std::byte*>(words.data()) + o; }
  /// An address that nothing is mapped at: the patcher only computes with it.
  static const std::byte* address(std::int64_t o) {
    return reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(0x4000'0000'0000 + o));
  }
  bool retarget(std::int64_t distance) {
    const std::uint32_t o = offset();
    return backend->patcher().retarget(at(o), address(o), address(o + distance));
  }
  std::uint32_t branch() { return word(offset()); }
  std::uint32_t word(std::uint32_t o) {
    std::uint32_t value;
    std::memcpy(&value, at(o), sizeof value);
    return value;
  }
  std::int64_t literal(std::uint32_t o) {
    std::int64_t value;
    std::memcpy(&value, at(o), sizeof value);
    return value;
  }

  std::unique_ptr<codegen::Backend> backend;
  codegen::Emitted emitted;
  std::vector<std::uint64_t> words;
};

TEST_CASE("a branch reaches 128 MiB either way") {
  Patched p(false);
  CHECK(p.retarget(0x100));
  CHECK(p.branch() == 0x1400'0040);
  CHECK(p.retarget(-4));
  CHECK(p.branch() == 0x17ff'ffff);
  CHECK(p.retarget(kReach - 4));
  CHECK(p.branch() == 0x15ff'ffff);
  CHECK(p.retarget(-kReach));
  CHECK(p.branch() == 0x1600'0000);
  CHECK_FALSE(p.retarget(kReach));
  CHECK_FALSE(p.retarget(-kReach - 4));
  CHECK(p.branch() == 0x1600'0000);
}

TEST_CASE("behind the branch a veneer reaches the rest") {
  Patched p(true);
  const std::uint32_t site = p.offset(), literal = site + 20;
  REQUIRE(literal % 8 == 0);
  REQUIRE(p.backend->patcher().extent() >= literal + 8 - (site & ~7u));
  // ldr x17, literal; adr x16, site; add x17, x17, x16; br x17
  CHECK(p.word(site + 4) == 0x5800'0091);
  CHECK(p.word(site + 8) == 0x10ff'ffd0);
  CHECK(p.word(site + 12) == 0x8b10'0231);
  CHECK(p.word(site + 16) == 0xd61f'0220);
  // Who came through it now would be at the stub.
  const std::int64_t stub = std::int64_t{p.emitted.exits[0].stub_offset} - site;
  CHECK(p.literal(literal) == stub);
  const std::uint32_t unlinked = p.branch();
  CHECK(unlinked == (0x1400'0000u | static_cast<std::uint32_t>(stub / 4)));

  for (const std::int64_t far : {kReach, -kReach - 4, std::int64_t{1} << 40}) {
    CHECK(p.retarget(far));
    CHECK(p.literal(literal) == far);
    CHECK(p.branch() == 0x1400'0001);  // to the veneer
  }
  CHECK(p.retarget(0x1000));
  CHECK(p.branch() == 0x1400'0400);
  CHECK(p.retarget(stub));
  CHECK(p.branch() == unlinked);
}

/// Pages that can be written and executed, `distance` bytes apart. (One mapping for both: see NativeMachine.)
class FarPages {
 public:
  explicit FarPages(std::size_t distance) : size_(distance + kPage) {
    void* const all = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(all != MAP_FAILED);
    first_ = static_cast<std::byte*>(all);
    second_ = first_ + distance;
    for (std::byte* const page : {first_, second_})
      REQUIRE(mprotect(page, kPage, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  }
  FarPages(const FarPages&) = delete;
  FarPages& operator=(const FarPages&) = delete;
  ~FarPages() { munmap(first_, size_); }
  std::byte* first() const { return first_; }
  std::byte* second() const { return second_; }
  static constexpr std::size_t kPage = 65536;

 private:
  std::size_t size_;
  std::byte *first_, *second_;
};

TEST_CASE("the machine goes through the veneer") {
  if (!test::NativeMachine::available() || test::NativeMachine::arch() != codegen::HostArch::a64) return;
  Patched p(true);
  const FarPages pages(static_cast<std::size_t>(kReach) + FarPages::kPage);
  const auto flush = [](std::byte* from) {
    __builtin___clear_cache(reinterpret_cast<char*>(from), reinterpret_cast<char*>(from + FarPages::kPage));
  };
  const auto put = [&](std::byte* to, std::uint32_t value) {
    const std::vector<std::byte> code = p.backend->probe(value);
    std::memcpy(to, code.data(), code.size());
    flush(to);
  };
  // The block stands first once, so that its branches lead upwards, and second once.
  for (const bool upwards : {true, false}) {
    std::byte* const block = upwards ? pages.first() : pages.second();
    std::byte* const far = (upwards ? pages.second() : pages.first()) + 4096;
    std::byte* const near = block + 4096;
    std::memcpy(block, p.emitted.code.data(), p.emitted.code.size());
    put(near, 1);
    put(far, 2);
    std::byte* const site = block + p.offset();
    const auto call = [&](std::byte* target) {
      REQUIRE(p.backend->patcher().retarget(site, site, target));
      flush(block);
      return reinterpret_cast<std::uint32_t (*)()>(reinterpret_cast<std::uintptr_t>(site))();
    };
    CHECK(call(far) == 2);
    CHECK(call(near) == 1);
    put(far + 4096, 3);
    CHECK(call(far + 4096) == 3);
    CHECK(call(far) == 2);
  }
}

}  // namespace
}  // namespace ashlar
