// GDB's JIT interface: each piece of code is an ELF file in memory with one symbol, in a list that GDB reads
// whenever __jit_debug_register_code is called. See <ashlar/debug.hpp>.
#include <elf.h>

#include <cstddef>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <ashlar/debug.hpp>

#include "debug/own_machine.hpp"

// The names, types and values are GDB's ("JIT Compilation Interface" in its manual): it looks them up in the
// process. Weak, because another translator in the process may have them, too; all share one list.
extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  std::uint64_t symfile_size;
};

struct jit_descriptor {
  std::uint32_t version;
  std::uint32_t action_flag;
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

ASHLAR_API extern jit_descriptor __jit_debug_descriptor;
ASHLAR_API void __jit_debug_register_code();

[[gnu::weak]] jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
// GDB has a breakpoint here; the empty assembly keeps the call.
[[gnu::noinline, gnu::weak]] void __jit_debug_register_code() { asm volatile("" ::: "memory"); }

}  // extern "C"

namespace ashlar::debug {
namespace {

constexpr std::uint32_t kRegister = 1, kUnregister = 2;
/// The list is the process's, whatever contexts there are in it.
std::mutex descriptor_mutex;

/// An object file that says: at `address` there is a function `name`.
std::vector<char> symbol_file(std::uint32_t machine, const void* address, std::size_t size,
                              const std::string& name) {
  static constexpr char kSectionNames[] = "\0.text\0.symtab\0.strtab";
  enum Section : std::uint16_t { kNone, kText, kSymtab, kStrtab, kNames, kSections };
  struct Image {
    Elf64_Ehdr header;
    Elf64_Shdr sections[kSections];
    Elf64_Sym symbols[2];
    char section_names[sizeof kSectionNames];
  };
  Image image{};
  Elf64_Ehdr& header = image.header;
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = static_cast<Elf64_Half>(machine);
  header.e_version = EV_CURRENT;
  header.e_shoff = offsetof(Image, sections);
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = kSections;
  header.e_shstrndx = kNames;

  Elf64_Shdr& text = image.sections[kText];
  text.sh_name = 1;
  text.sh_type = SHT_NOBITS;  // GDB reads the code from memory
  text.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  text.sh_addr = reinterpret_cast<std::uintptr_t>(address);
  text.sh_size = size;
  text.sh_addralign = 1;
  Elf64_Shdr& symtab = image.sections[kSymtab];
  symtab.sh_name = 7;
  symtab.sh_type = SHT_SYMTAB;
  symtab.sh_offset = offsetof(Image, symbols);
  symtab.sh_size = sizeof image.symbols;
  symtab.sh_link = kStrtab;
  symtab.sh_info = 1;
  symtab.sh_addralign = 8;
  symtab.sh_entsize = sizeof(Elf64_Sym);
  Elf64_Shdr& strtab = image.sections[kStrtab];
  strtab.sh_name = 15;
  strtab.sh_type = SHT_STRTAB;
  strtab.sh_offset = sizeof(Image);
  strtab.sh_size = name.size() + 2;
  strtab.sh_addralign = 1;
  Elf64_Shdr& names = image.sections[kNames];
  names.sh_type = SHT_STRTAB;
  names.sh_offset = offsetof(Image, section_names);
  names.sh_size = sizeof kSectionNames;
  names.sh_addralign = 1;
  std::memcpy(image.section_names, kSectionNames, sizeof kSectionNames);

  Elf64_Sym& symbol = image.symbols[1];
  symbol.st_name = 1;
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbol.st_shndx = kText;
  symbol.st_value = text.sh_addr;
  symbol.st_size = size;

  std::vector<char> file(sizeof image + name.size() + 2);
  std::memcpy(file.data(), &image, sizeof image);
  std::memcpy(file.data() + sizeof image + 1, name.data(), name.size());
  return file;
}

class GdbInterface final : public CodeListener {
 public:
  GdbInterface(std::uint32_t machine, Namer name) : machine_(machine), name_(std::move(name)) {}
  ~GdbInterface() override {
    std::lock_guard lock(descriptor_mutex);
    for (auto& [address, registered] : registered_) take_out(*registered);
  }

  void runtime_published(const void* address, std::span<const std::byte> code) override {
    add(address, code.size(), "ashlar runtime");
  }
  void code_published(const PublishedCode& published) override {
    std::string name;
    {
      std::lock_guard lock(name_mutex_);
      name = symbol_of(published.key, name_);
    }
    add(published.address, published.code.size(), name);
  }

 private:
  struct Registered {
    jit_code_entry entry;
    std::size_t size;
    std::vector<char> file;
  };

  void add(const void* address, std::size_t size, const std::string& name) {
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    std::lock_guard lock(descriptor_mutex);
    // What lay there before is gone.
    auto old = registered_.lower_bound(begin);
    if (old != registered_.begin() && std::prev(old)->first + std::prev(old)->second->size > begin) --old;
    while (old != registered_.end() && old->first < begin + size) {
      take_out(*old->second);
      old = registered_.erase(old);
    }
    auto& registered = registered_[begin] = std::make_unique<Registered>();
    registered->size = size;
    registered->file = symbol_file(machine_, address, size, name);
    jit_code_entry& entry = registered->entry;
    entry = {__jit_debug_descriptor.first_entry, nullptr, registered->file.data(), registered->file.size()};
    if (entry.next_entry != nullptr) entry.next_entry->prev_entry = &entry;
    __jit_debug_descriptor.first_entry = &entry;
    notify(kRegister, entry);
  }
  static void take_out(Registered& registered) {
    jit_code_entry& entry = registered.entry;
    (entry.prev_entry != nullptr ? entry.prev_entry->next_entry : __jit_debug_descriptor.first_entry) =
        entry.next_entry;
    if (entry.next_entry != nullptr) entry.next_entry->prev_entry = entry.prev_entry;
    notify(kUnregister, entry);
  }
  static void notify(std::uint32_t action, jit_code_entry& entry) {
    __jit_debug_descriptor.relevant_entry = &entry;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = 0;
    __jit_debug_descriptor.relevant_entry = nullptr;
  }

  const std::uint32_t machine_;
  std::mutex name_mutex_;
  Namer name_;
  /// By address.
  std::map<std::uintptr_t, std::unique_ptr<Registered>> registered_;
};

}  // namespace

Result<std::unique_ptr<CodeListener>> make_gdb_interface(Namer name) {
  const Result<std::uint32_t> machine = own_machine();
  if (!machine) return machine.error();
  return std::unique_ptr<CodeListener>(new GdbInterface(machine.value(), std::move(name)));
}

}  // namespace ashlar::debug
