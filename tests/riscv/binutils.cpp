#include "riscv/binutils.hpp"

#include <stdlib.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace ashlar::riscv::test {
namespace {

namespace fs = std::filesystem;

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

// The extensions that binutils 2.40 knows by name; Zicond came later.
const std::string assembler = "riscv64-linux-gnu-as -march=rv64gc_zba_zbb_zbs_zihintpause ";

void write(const fs::path& path, std::span<const uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

std::optional<Binutils> Binutils::find() {
  for (const char* tool : {"as", "objcopy", "objdump"}) {
    if (!run(std::string("riscv64-linux-gnu-") + tool + " --version >/dev/null 2>&1")) return std::nullopt;
  }
  std::string name = (fs::temp_directory_path() / "ashlar-riscv-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return std::nullopt;
  return Binutils(name);
}

Binutils::Binutils(Binutils&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}

Binutils::~Binutils() {
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

std::vector<Binutils::Line> Binutils::disassemble(std::span<const uint8_t> code) const {
  const fs::path source = directory_ / "d.s", object = directory_ / "d.o", bytes = directory_ / "d.bin",
                 listing = directory_ / "d.txt";
  // An object with one instruction has the attributes that tell objdump the extensions, and a mapping symbol
  // that says the section is code; then its contents are replaced.
  std::ofstream(source) << "nop\n";
  write(bytes, code);
  if (!run(assembler + quoted(source) + " -o " + quoted(object)) ||
      !run("riscv64-linux-gnu-objcopy --update-section .text=" + quoted(bytes) + " " + quoted(object)) ||
      !run("riscv64-linux-gnu-objdump -d -z -M no-aliases " + quoted(object) + " >" + quoted(listing))) {
    return {};
  }
  std::vector<Line> lines;
  std::ifstream in(listing);
  for (std::string text; std::getline(in, text);) {
    const std::size_t colon = text.find(":\t");
    const std::size_t tab = colon == std::string::npos ? colon : text.find('\t', colon + 2);
    if (tab == std::string::npos) continue;
    Line line = {std::strtoull(text.c_str(), nullptr, 16), text.substr(tab + 1)};
    for (const char* tail : {" #", " <"}) {
      if (const std::size_t at = line.text.find(tail); at != std::string::npos) line.text.resize(at);
    }
    while (!line.text.empty() && (line.text.back() == ' ' || line.text.back() == '\t')) line.text.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

std::optional<std::vector<uint8_t>> Binutils::assemble(const std::string& source_text) const {
  const fs::path source = directory_ / "a.s", object = directory_ / "a.o", bytes = directory_ / "a.bin";
  std::ofstream(source) << source_text;
  if (!run(assembler + quoted(source) + " -o " + quoted(object)) ||
      !run("riscv64-linux-gnu-objcopy -O binary -j .text " + quoted(object) + " " + quoted(bytes))) {
    return std::nullopt;
  }
  std::ifstream in(bytes, std::ios::binary);
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

}  // namespace ashlar::riscv::test
