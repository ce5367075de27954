// Code listeners: what the JIT tells them, and the files that perf reads. Where no code can be run there is
// nothing to tell.
#include <doctest/doctest.h>

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <ashlar/debug.hpp>

#include "engine/toy_guest.hpp"
#include "support/native_machine.hpp"

extern "C" char __jit_debug_descriptor[];  // as GDB finds it: by name

namespace ashlar::test {
namespace {

const void* gdb_descriptor() { return __jit_debug_descriptor; }

struct Heard {
  BlockKey key;
  const void* address;
  std::vector<std::byte> code;
  std::vector<PublishedCode::Point> points;
};

class Recorder final : public CodeListener {
 public:
  void runtime_published(const void* address, std::span<const std::byte> code) override {
    CHECK(std::memcmp(address, code.data(), code.size()) == 0);
    CHECK(blocks.empty());
    ++runtimes;
  }
  void code_published(const PublishedCode& p) override {
    blocks.push_back({p.key, p.address, {p.code.begin(), p.code.end()}, {p.points.begin(), p.points.end()}});
  }
  int runtimes = 0;
  std::vector<Heard> blocks;
};

/// A machine whose code the listeners are told of, and a program of three blocks: 0x10000, 0x10008, 0x10010.
struct Listened : ToyMachine {
  explicit Listened(std::vector<CodeListener*> listeners) {
    ContextConfig config;
    config.frontend = &frontend;
    config.memory = memory.get();
    config.code_listeners = std::move(listeners);
    auto created = ExecutionContext::create(config);
    REQUIRE(created);
    context = std::move(created.value());
    code({toy(Toy::add, 5), toy(Toy::jump, 1), toy(Toy::add, 6), toy(Toy::jump, 1), toy(Toy::call)});
  }
  void run() {
    JitExecutor executor(*context);
    auto cpu = vcpu();
    CHECK(executor.run(*cpu).reason == ExitReason::syscall);
    CHECK(cpu->slot(0) == 11);
  }
};

std::string name_of(GuestAddr at) {
  if (at.value >= kToyCode + 16) return {};
  return "one\ntwo+0x" + std::to_string(at.value - kToyCode);
}

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST_CASE("listeners hear of the runtime once, and of each block once, by run and by batches") {
  if (!NativeMachine::available()) return;
  Recorder recorder;
  Listened m({&recorder});
  m.run();
  m.run();
  CHECK(recorder.runtimes == 1);
  REQUIRE(recorder.blocks.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const Heard& heard = recorder.blocks[i];
    CHECK(heard.key == BlockKey{{kToyCode + 8 * i}});
    CHECK(heard.code.size() > 4);
    REQUIRE(heard.points.size() == (i == 2 ? 1 : 2));
    for (std::size_t k = 0; k < heard.points.size(); ++k) {
      CHECK(heard.points[k].pc == heard.key.addr + 4 * k);
      CHECK(heard.points[k].offset < heard.code.size());
    }
  }
  // The last has no exit that could have been patched.
  CHECK(std::memcmp(recorder.blocks[2].address, recorder.blocks[2].code.data(),
                    recorder.blocks[2].code.size()) == 0);

  // A batch is code of another flavour: told anew, each with its own bytes.
  const BlockKey keys[] = {{{kToyCode + 8}}, {{kToyCode}}, {{kToyCode + 8}}};
  ExecutionResult results[3];
  auto cpu = m.vcpu();
  CHECK(JitExecutor(*m.context).execute_blocks(*cpu, keys, results) == 3);
  REQUIRE(recorder.blocks.size() == 5);
  for (std::size_t i = 3; i < 5; ++i) {
    const Heard& heard = recorder.blocks[i];
    CHECK(heard.key == keys[i - 3]);
    CHECK(std::memcmp(heard.address, heard.code.data(), heard.code.size()) == 0);
  }
  // What is compiled again is told again.
  m.context->flush();
  m.run();
  CHECK(recorder.blocks.size() == 8);
}

TEST_CASE("symbols") {
  CHECK(debug::symbol_of({{0x10430}}, [](GuestAddr) { return std::string("main+0x12"); }) ==
        "main+0x12 [0x10430]");
  CHECK(debug::symbol_of({{0x10430}}, [](GuestAddr) { return std::string(); }) == "guest [0x10430]");
  CHECK(debug::symbol_of({{0x10430}}, nullptr) == "guest [0x10430]");
  CHECK(debug::symbol_of({{1}}, [](GuestAddr) { return std::string("a\nb\tc"); }) == "a?b?c [0x1]");
}

TEST_CASE("the perf map has a line for each piece of code") {
  if (!NativeMachine::available()) return;
  const std::string path = "/tmp/perf-" + std::to_string(::getpid()) + ".map";
  std::ofstream(path) << "old\n";
  auto map = debug::make_perf_map(&name_of);
  REQUIRE(map);
  Recorder recorder;
  Listened m({map.value().get(), &recorder});
  m.run();
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
  std::istringstream lines(content_of(path));
  std::uint64_t start = 0, size = 0;
  std::string rest;
  const auto next = [&] {
    return bool(lines >> std::hex >> start >> size) && bool(std::getline(lines, rest));
  };
  REQUIRE(next());
  CHECK(rest == " ashlar runtime");
  REQUIRE(recorder.blocks.size() == 3);
  const char* const names[] = {" one?two+0x0 [0x10000]", " one?two+0x8 [0x10008]", " guest [0x10010]"};
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(next());
    CHECK(start == reinterpret_cast<std::uintptr_t>(recorder.blocks[i].address));
    CHECK(size == recorder.blocks[i].code.size());
    CHECK(rest == names[i]);
  }
  CHECK_FALSE(next());
  ::unlink(path.c_str());
}

template <typename T>
T take(const std::string& from, std::size_t offset) {
  T value{};
  REQUIRE(offset + sizeof(T) <= from.size());
  std::memcpy(&value, from.data() + offset, sizeof value);
  return value;
}

TEST_CASE("the jitdump holds the code itself") {
  if (!NativeMachine::available()) return;
  char directory[] = "/tmp/ashlar-jitdump-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const std::string path = std::string(directory) + "/jit-" + std::to_string(::getpid()) + ".dump";
  Recorder recorder;
  {
    auto dump = debug::make_jitdump(&name_of, directory);
    REQUIRE(dump);
    // perf finds the file by its mapping.
    CHECK(content_of("/proc/self/maps").find(path) != std::string::npos);
    Listened m({dump.value().get(), &recorder});
    m.run();
  }
  CHECK(content_of("/proc/self/maps").find(path) == std::string::npos);
  REQUIRE(recorder.blocks.size() == 3);
  const std::string text = content_of(path);
  CHECK(take<std::uint32_t>(text, 0) == 0x4a695444);
  CHECK(take<std::uint32_t>(text, 4) == 1);
  CHECK(take<std::uint32_t>(text, 8) == 40);
  CHECK(take<std::uint16_t>(text, 12) == take<std::uint16_t>(content_of("/proc/self/exe"), 18));
  CHECK(take<std::uint32_t>(text, 20) == static_cast<std::uint32_t>(::getpid()));
  std::uint64_t before = take<std::uint64_t>(text, 24);
  std::size_t at = 40, loads = 0;
  bool closed = false;
  while (at < text.size()) {
    REQUIRE_FALSE(closed);
    const auto id = take<std::uint32_t>(text, at);
    const auto size = take<std::uint32_t>(text, at + 4);
    CHECK(take<std::uint64_t>(text, at + 8) >= before);
    before = take<std::uint64_t>(text, at + 8);
    REQUIRE(at + size <= text.size());
    if (id == 3) {
      CHECK(size == 16);
      closed = true;
    } else {
      REQUIRE(id == 0);
      CHECK(take<std::uint32_t>(text, at + 16) == static_cast<std::uint32_t>(::getpid()));
      const std::string name = text.c_str() + at + 56;
      const auto bytes = take<std::uint64_t>(text, at + 40);
      CHECK(take<std::uint64_t>(text, at + 48) == loads);
      CHECK(size == 56 + name.size() + 1 + bytes);
      if (loads == 0) {
        CHECK(name == "ashlar runtime");
      } else {
        REQUIRE(loads <= 3);
        const Heard& heard = recorder.blocks[loads - 1];
        CHECK(name == debug::symbol_of(heard.key, &name_of));
        CHECK(take<std::uint64_t>(text, at + 24) == reinterpret_cast<std::uintptr_t>(heard.address));
        CHECK(take<std::uint64_t>(text, at + 32) == reinterpret_cast<std::uintptr_t>(heard.address));
        REQUIRE(bytes == heard.code.size());
        CHECK(std::memcmp(text.data() + at + 56 + name.size() + 1, heard.code.data(), bytes) == 0);
      }
      ++loads;
    }
    at += size;
  }
  CHECK(closed);
  CHECK(loads == 4);
  ::unlink(path.c_str());
  ::rmdir(directory);
  const auto refused = debug::make_jitdump(nullptr, directory);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::io_error);
  CHECK(refused.error().message.find(directory) != std::string::npos);
}

// As GDB reads them.
struct GdbEntry {
  GdbEntry* next;
  GdbEntry* previous;
  const char* file;
  std::uint64_t size;
};
struct GdbDescriptor {
  std::uint32_t version;
  std::uint32_t action;
  GdbEntry* relevant;
  GdbEntry* first;
};

/// What GDB would find in the list now: name and range of each function.
std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> known_to_gdb() {
  const auto& descriptor = *static_cast<const GdbDescriptor*>(gdb_descriptor());
  CHECK(descriptor.version == 1);
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> found;
  const GdbEntry* before = nullptr;
  for (const GdbEntry* entry = descriptor.first; entry != nullptr; before = entry, entry = entry->next) {
    CHECK(entry->previous == before);
    const std::string file(entry->file, entry->size);
    CHECK(file.substr(0, 4) == "\177ELF");
    CHECK(take<std::uint16_t>(file, 18) == take<std::uint16_t>(content_of("/proc/self/exe"), 18));
    const auto sections = take<Elf64_Ehdr>(file, 0).e_shoff;
    const auto section = [&](std::size_t i) {
      return take<Elf64_Shdr>(file, sections + i * sizeof(Elf64_Shdr));
    };
    const auto header = take<Elf64_Ehdr>(file, 0);
    const Elf64_Shdr names = section(header.e_shstrndx);
    for (std::size_t i = 1; i < header.e_shnum; ++i) {
      const Elf64_Shdr s = section(i);
      const std::string section_name = file.c_str() + names.sh_offset + s.sh_name;
      if (s.sh_type != SHT_SYMTAB) continue;
      CHECK(section_name == ".symtab");
      REQUIRE(s.sh_size == 2 * sizeof(Elf64_Sym));
      const auto symbol = take<Elf64_Sym>(file, s.sh_offset + sizeof(Elf64_Sym));
      const Elf64_Shdr text = section(symbol.st_shndx);
      CHECK(text.sh_addr == symbol.st_value);
      CHECK(text.sh_size == symbol.st_size);
      CHECK((text.sh_flags & SHF_EXECINSTR) != 0);
      found[file.c_str() + section(s.sh_link).sh_offset + symbol.st_name] = {symbol.st_value, symbol.st_size};
    }
  }
  return found;
}

TEST_CASE("GDB's interface lists what can be executed, and nothing that is gone") {
  if (!NativeMachine::available()) return;
  CHECK(known_to_gdb().empty());
  {
    auto gdb = debug::make_gdb_interface(&name_of);
    REQUIRE(gdb);
    Recorder recorder;
    Listened m({gdb.value().get(), &recorder});
    m.run();
    REQUIRE(recorder.blocks.size() == 3);
    const auto known = known_to_gdb();
    CHECK(known.size() == 4);
    CHECK(known.count("ashlar runtime") == 1);
    for (const Heard& heard : recorder.blocks) {
      const auto found = known.find(debug::symbol_of(heard.key, &name_of));
      REQUIRE(found != known.end());
      CHECK(found->second.first == reinterpret_cast<std::uintptr_t>(heard.address));
      CHECK(found->second.second == heard.code.size());
    }
    // Code that takes the place of two others.
    PublishedCode over{{{0x777777}}, recorder.blocks[0].address, recorder.blocks[0].code, {}};
    const auto* first = static_cast<const std::byte*>(recorder.blocks[0].address) + 1;
    over.address = first;
    gdb.value()->code_published(over);
    const auto after = known_to_gdb();
    CHECK(after.count("guest [0x777777]") == 1);
    CHECK(after.count(debug::symbol_of(recorder.blocks[0].key, &name_of)) == 0);
    CHECK(after.count("ashlar runtime") == 1);
  }
  CHECK(known_to_gdb().empty());
}

}  // namespace
}  // namespace ashlar::test
