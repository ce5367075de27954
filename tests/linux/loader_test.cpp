// Programs in memory: segments, the signal trampoline, and the initial stack word by word.
#include <doctest/doctest.h>

#include <map>

#include "linux/loader.hpp"
#include "linux/small_elf.hpp"
#include "linux/user_memory.hpp"

using namespace ashlar;
using namespace ashlar::linux_user;
using test::SmallElf;

namespace {

std::shared_ptr<FlatMemory> make_memory(std::uint64_t size = 64 << 20) {
  FlatMemoryConfig config;
  config.size = size;
  return std::move(FlatMemory::create(config)).value();
}

Result<LoadedImage> load(FlatMemory& memory, const SmallElf& elf) {
  const auto bytes = elf.bytes();
  const HostFd fd = test::file_of(bytes);
  Result<ElfImage> image = ElfImage::parse(SpanSource(bytes));
  if (!image) return image.error();
  return load_image(memory, *image, fd.get());
}

SmallElf good() { return SmallElf({test::addi(test::kA7, 0, 93), test::kEcall}); }

std::uint64_t word(FlatMemory& memory, std::uint64_t at) {
  std::uint64_t value = 0;
  REQUIRE(UserMemory(memory).get(at, value));
  return value;
}

std::string text(FlatMemory& memory, std::uint64_t at) {
  std::string out;
  REQUIRE(UserMemory(memory).string(at, out) == 0);
  return out;
}

}  // namespace

TEST_CASE("segments have their bytes, zeros behind them, and their permissions") {
  const auto memory = make_memory();
  const SmallElf elf = good();
  const Result<LoadedImage> loaded = load(*memory, elf);
  REQUIRE(loaded.ok());
  CHECK(loaded.value().base == 0);
  CHECK(loaded.value().entry == elf.header.entry);
  CHECK(loaded.value().phdr == 0x10040);
  const std::uint64_t data = elf.phdrs[1].vaddr;
  CHECK(loaded.value().end == ((data + 3 * 4096 + 4095) & ~std::uint64_t{4095}));
  std::uint32_t code = 0;
  UserMemory user(*memory);
  REQUIRE(user.get(elf.header.entry + 4, code));
  CHECK(code == test::kEcall);
  CHECK(memory->permissions({0x10000}) == (Perm::read | Perm::exec));
  CHECK(memory->permissions({data}) == (Perm::read | Perm::write));
  std::string start(elf.data.size(), ' ');
  REQUIRE(user.read(data, std::as_writable_bytes(std::span{start})));
  CHECK(start == elf.data);
  // The zero part: from the last file byte to the last page, although the file goes on there.
  for (std::uint64_t at = data + elf.data.size(); at < loaded.value().end; at += 8) {
    std::uint8_t byte = 1;
    REQUIRE(user.get(at, byte));
    REQUIRE(byte == 0);
  }
  CHECK(memory->is_free({{loaded.value().end}, 4096}));
}

TEST_CASE("position-independent programs are moved, with everything in them") {
  const auto memory = make_memory();
  SmallElf elf = good();
  elf.header.type = 3;
  elf.header.entry -= 0x10000;
  elf.phdrs[0].vaddr = 0;
  elf.phdrs[1].vaddr -= 0x10000;
  const Result<LoadedImage> loaded = load(*memory, elf);
  REQUIRE(loaded.ok());
  CHECK(loaded.value().base >= 0x10000);
  CHECK(loaded.value().base % FlatMemory::page_size() == 0);
  CHECK(loaded.value().entry == loaded.value().base + elf.header.entry);
  CHECK(loaded.value().phdr == loaded.value().base + 64);
}

TEST_CASE("segments that share a page get both contents and permissions") {
  const auto memory = make_memory();
  SmallElf elf = good();
  elf.phdrs[1].vaddr = 0x10800;  // its file offset is not congruent
  elf.phdrs[1].memsz = 0x1000;
  const Result<LoadedImage> loaded = load(*memory, elf);
  REQUIRE(loaded.ok());
  std::uint32_t code = 0;
  char start[4];
  UserMemory user(*memory);
  REQUIRE(user.get(elf.header.entry + 4, code));
  CHECK(code == test::kEcall);
  REQUIRE(user.get(0x10800, start));
  CHECK(std::string(start, 4) == "data");
  CHECK(memory->permissions({0x10000}) == (Perm::read | Perm::write | Perm::exec));
  CHECK(memory->permissions({0x11000}) == (Perm::read | Perm::write));
}

TEST_CASE("programs that don't fit are refused") {
  SmallElf elf = good();
  SUBCASE("larger than the memory") {
    elf.phdrs[1].memsz = std::uint64_t{1} << 40;
    const auto memory = make_memory();
    CHECK(load(*memory, elf).error().code == ErrorCode::out_of_memory);
  }
  SUBCASE("at the memory's very end") {
    elf.phdrs[1].vaddr = (64 << 20) - 2 * 4096 + elf.phdrs[1].offset % 4096;
    const auto memory = make_memory();
    CHECK(load(*memory, elf).error().code == ErrorCode::out_of_memory);
  }
  SUBCASE("at the bottom") {
    elf.phdrs[0].vaddr = 0;
    elf.header.entry -= 0x10000;
    const auto memory = make_memory();
    CHECK(load(*memory, elf).error().message.find("below address") != std::string::npos);
  }
}

TEST_CASE("the trampoline is code that calls rt_sigreturn") {
  const auto memory = make_memory();
  const Result<std::uint64_t> at = map_trampoline(*memory);
  REQUIRE(at.ok());
  std::uint32_t code[2];
  REQUIRE(UserMemory(*memory).get(at.value(), code));
  CHECK(code[0] == test::addi(test::kA7, 0, 139));
  CHECK(code[1] == test::kEcall);
  CHECK(memory->permissions({at.value()}) == (Perm::read | Perm::exec));
}

TEST_CASE("the stack is laid out as the kernel does it") {
  const std::vector<std::string> args = {"prog", "", "third argument"};
  const std::vector<std::string> env = {"A=1", "LONG=" + std::string(300, 'x')};
  for (std::size_t used = 0; used <= args.size(); ++used) {
    CAPTURE(used);
    const auto memory = make_memory();
    StackConfig config;
    config.args = std::span{args}.first(used);
    config.env = env;
    config.exec_name = "/dir/prog";
    config.image = {0x1000, 0x11234, 0x11040, 7, 0x40000};
    config.size = 1 << 20;
    for (std::size_t i = 0; i < 16; ++i) config.random[i] = static_cast<std::byte>(i * 3 + 1);
    config.uid = 1000;
    config.euid = 1001;
    config.gid = 1002;
    config.egid = 1003;
    const Result<Stack> built = build_stack(*memory, config);
    REQUIRE(built.ok());
    const Stack& stack = built.value();
    CHECK(stack.sp % 16 == 0);
    CHECK(stack.high - stack.low == 1 << 20);
    CHECK(stack.high == memory->size());
    CHECK(memory->permissions({stack.low}) == (Perm::read | Perm::write));
    CHECK(memory->is_free({{stack.low - kStackGuard}, kStackGuard}));

    std::uint64_t at = stack.sp;
    CHECK(word(*memory, at) == used);
    for (std::size_t i = 0; i < used; ++i) CHECK(text(*memory, word(*memory, at += 8)) == args[i]);
    CHECK(word(*memory, at += 8) == 0);
    for (const std::string& variable : env) CHECK(text(*memory, word(*memory, at += 8)) == variable);
    CHECK(word(*memory, at += 8) == 0);
    std::map<std::uint64_t, std::uint64_t> aux;
    for (at += 8; word(*memory, at) != 0; at += 16) {
      CHECK(aux.emplace(word(*memory, at), word(*memory, at + 8)).second);
    }
    CHECK(word(*memory, at + 8) == 0);
    CHECK(aux.at(3) == 0x11040);  // AT_PHDR
    CHECK(aux.at(4) == 56);       // AT_PHENT
    CHECK(aux.at(5) == 7);        // AT_PHNUM
    CHECK(aux.at(6) == FlatMemory::page_size());
    CHECK(aux.at(7) == 0);        // AT_BASE
    CHECK(aux.at(9) == 0x11234);  // AT_ENTRY
    CHECK(aux.at(11) == 1000);
    CHECK(aux.at(12) == 1001);
    CHECK(aux.at(13) == 1002);
    CHECK(aux.at(14) == 1003);
    CHECK(aux.at(16) == 0x112d);  // AT_HWCAP: A, C, D, F, I, M
    CHECK(aux.at(17) == 100);     // AT_CLKTCK
    CHECK(aux.at(23) == 0);       // AT_SECURE
    CHECK(aux.count(33) == 0);    // AT_SYSINFO_EHDR
    CHECK(text(*memory, aux.at(31)) == "/dir/prog");
    std::array<std::byte, 16> random{};
    REQUIRE(UserMemory(*memory).get(aux.at(25), random));
    CHECK(random == config.random);
  }
}

TEST_CASE("arguments that don't fit on the stack are refused") {
  const auto memory = make_memory();
  StackConfig config;
  config.size = 64 << 10;
  const std::vector<std::string> few_long(3, std::string(8000, 'x'));
  const std::vector<std::string> many(9000);
  config.args = few_long;
  CHECK(build_stack(*memory, config).error().message.find("too long") != std::string::npos);
  const auto other = make_memory();
  config.args = many;
  CHECK(build_stack(*other, config).error().message.find("too long") != std::string::npos);
}

TEST_CASE("a stack that does not fit is refused") {
  const auto memory = make_memory(1 << 20);
  StackConfig config;
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    config.size = size;
    CHECK_FALSE(build_stack(*memory, config).ok());
  }
}
