// Every block that comes out passes the verifier: of real programs' code, and of random words.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <unistd.h>

#include "riscv/translate_support.hpp"

namespace ashlar::riscv::test {
namespace {

struct Section {
  std::uint64_t address = 0;
  std::vector<char> bytes;
};

template <typename T>
T get(const std::vector<char>& file, std::uint64_t at) {
  T value{};
  if (at <= file.size() && file.size() - at >= sizeof(T)) std::memcpy(&value, file.data() + at, sizeof(T));
  return value;
}

// The executable sections of a 64-bit ELF file: sh_flags bit 2.
std::vector<Section> executable_sections(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> file{std::istreambuf_iterator<char>(in), {}};
  std::vector<Section> sections;
  const auto table = get<std::uint64_t>(file, 0x28);
  const auto entry = get<std::uint16_t>(file, 0x3a), count = get<std::uint16_t>(file, 0x3c);
  for (unsigned n = 0; n < count; ++n) {
    const std::uint64_t header = table + std::uint64_t{n} * entry;
    if ((get<std::uint64_t>(file, header + 8) & 4) == 0) continue;
    const auto address = get<std::uint64_t>(file, header + 0x10),
               offset = get<std::uint64_t>(file, header + 0x18),
               size = get<std::uint64_t>(file, header + 0x20);
    if (offset > file.size() || size > file.size() - offset) continue;
    sections.push_back({address,
                        {file.begin() + static_cast<std::ptrdiff_t>(offset),
                         file.begin() + static_cast<std::ptrdiff_t>(offset + size)}});
  }
  return sections;
}

// One message for the first broken block is enough; the count tells the rest.
struct Check {
  Subject t;
  std::size_t blocks = 0, broken = 0;
  std::string first;

  void block(std::uint64_t at, std::uint64_t mode) {
    const TranslateResult result = t.translate(at, mode);
    if (result.fetch_fault.kind != FaultKind::none) return;
    ++blocks;
    const auto verified = ir::verify(t.builder.parts(), t.frontend->layout(), t.frontend->helpers().size());
    const auto parts = t.builder.parts();
    // Each instruction's bytes are among the covered ranges, so that a write to any of them is noticed.
    std::string uncovered;
    for (const ir::Boundary& boundary : parts.boundaries) {
      bool inside = false;
      for (const GuestRange& range : parts.ranges) {
        inside |= range.contains(boundary.pc) && range.contains(boundary.pc + (boundary.length - 1));
      }
      if (!inside) uncovered = "an instruction is not covered";
    }
    if (verified.ok() && uncovered.empty()) return;
    if (broken++ == 0) first = verified.ok() ? uncovered : verified.error().message;
  }
};

TEST_CASE("blocks of static glibc programs verify") {
  if (std::system("riscv64-linux-gnu-gcc --version >/dev/null 2>&1") != 0) {
    MESSAGE("skipped: no riscv64-linux-gnu-gcc");
    return;
  }
  const auto folder =
      std::filesystem::temp_directory_path() / ("ashlar-translate-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "p.c")
      << "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <fenv.h>\n"
         "int main(int c, char** v) { fesetround(FE_UPWARD); double x = strtod(v[c - 1], 0);"
         " printf(\"%g %a %d\\n\", sin(pow(x, 0.3)) + fma(x, x, x), exp(x), fetestexcept(31));"
         " float f = strtof(v[0], 0); printf(\"%g\\n\", sqrtf(f) * expf(f)); return 0; }\n";
  Check check;
  for (const char* flags : {"-O2 -static", "-O1 -static -march=rv64g"}) {
    const auto program = folder / "p";
    const std::string command = std::string("riscv64-linux-gnu-gcc ") + flags + " -o " + program.string() +
                                " " + (folder / "p.c").string() + " -lm 2>/dev/null";
    if (std::system(command.c_str()) != 0) {
      MESSAGE("skipped: the compiler can't link with ", std::string(flags));
      continue;
    }
    const auto sections = executable_sections(program);
    REQUIRE_FALSE(sections.empty());
    for (const Section& section : sections) {
      check.t.memory.clear();
      check.t.memory.put(section.address, section.bytes.data(), section.bytes.size());
      // Every instruction is in some block; every ninth also begins one, in the middle of others.
      std::uint64_t at = section.address, covered_until = at;
      const std::uint64_t end = at + section.bytes.size();
      for (unsigned n = 0; at + 2 <= end; ++n) {
        if (at >= covered_until || n % 9 == 0) {
          check.t.limits = {n % 2 == 0 ? 64u : 20u, n % 5 != 0};
          check.block(at, n % 8);
          const auto ranges = check.t.builder.parts().ranges;
          for (const GuestRange& range : ranges) {
            if (range.contains({at})) covered_until = std::max(covered_until, range.end().value);
          }
        }
        std::uint16_t parcel;
        std::memcpy(&parcel, section.bytes.data() + (at - section.address), 2);
        at += instruction_length(parcel);
      }
    }
  }
  std::filesystem::remove_all(folder);
  MESSAGE("blocks: ", check.blocks);
  CHECK(check.blocks > 1000);
  CHECK_MESSAGE(check.broken == 0, check.first);
}

TEST_CASE("blocks of random instructions verify, and come out the same twice") {
  std::mt19937_64 random(20240607);
  Check check;
  std::vector<bool> seen(op_count + 1);
  for (unsigned round = 0; round < 6000; ++round) {
    std::vector<std::uint16_t> code;
    for (unsigned n = 0; n < 48; ++n) {
      const std::uint64_t bits = random();
      auto word = static_cast<std::uint32_t>(bits >> 32);
      // Mostly rows of the table with random operands, some of them x0; sometimes anything, compressed or
      // not.
      if (bits % 8 != 0) {
        const OpInfo& row = op_table[(bits >> 13 & 0xffff) % op_count];
        word = (word & ~row.mask) | row.match;
        if (bits >> 8 & 1) word &= ~(31u << 7) | row.mask;
        if ((bits >> 9 & 3) == 0) word &= ~(31u << 15) | row.mask;
        if ((bits >> 11 & 3) == 0) word &= ~(31u << 20) | row.mask;
        word = (word & ~row.mask) | row.match;
      }
      seen[static_cast<std::size_t>(decode(word).op)] = true;
      code.push_back(static_cast<std::uint16_t>(word));
      if (instruction_length(static_cast<std::uint16_t>(word)) == 4)
        code.push_back(static_cast<std::uint16_t>(word >> 16));
    }
    check.t.memory.clear();
    check.t.memory.put(kCode, code.data(), code.size() * 2);
    std::uint64_t at = kCode;
    while (at < kCode + code.size() * 2) {
      check.t.limits = {static_cast<std::uint32_t>(random() % 80), random() % 4 != 0};
      check.block(at, random() % 8);
      at += 2;
    }
  }
  const std::vector<ir::Inst> once(check.t.builder.insts().begin(), check.t.builder.insts().end());
  check.t.translate(check.t.builder.key().addr.value, check.t.builder.key().mode);
  CHECK(std::equal(once.begin(), once.end(), check.t.builder.insts().begin(), check.t.builder.insts().end()));
  for (std::size_t op = 0; op <= op_count; ++op) {
    CHECK_MESSAGE(seen[op], op_name(static_cast<Op>(op)));
  }
  MESSAGE("blocks: ", check.blocks);
  CHECK(check.blocks > 100000);
  CHECK_MESSAGE(check.broken == 0, check.first);
}

}  // namespace
}  // namespace ashlar::riscv::test
