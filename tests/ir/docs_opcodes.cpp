// Makes the opcode list of docs/ir.md.
#include "ir/docs_opcodes.hpp"

#include <sstream>

#include <ashlar/ir.hpp>

namespace ashlar::test {

namespace {

const char* form_name(ir::Form form) {
  switch (form) {
#define FORM(name)     \
  case ir::Form::name: \
    return #name;
    // Version 14 does not come to rest on these.
    // clang-format off
    FORM(nop) FORM(c64) FORM(d) FORM(s) FORM(r) FORM(rr) FORM(ri) FORM(rrx) FORM(rx) FORM(rrr) FORM(ld) FORM(st) FORM(amo)
    FORM(cas) FORM(fence) FORM(help) FORM(xrr) FORM(xri) FORM(jmp) FORM(brr) FORM(bri) FORM(ind) FORM(mode) FORM(exit)
    // clang-format on
#undef FORM
  }
  return "";
}

const char* class_name(ir::ValueClass cls) {
  switch (cls) {
    case ir::ValueClass::N:
      return "";
    case ir::ValueClass::I:
      return "I";
    case ir::ValueClass::F:
      return "F";
    case ir::ValueClass::M:
      return "M";
  }
  return "";
}

std::string effect_names(std::uint16_t effects) {
  static constexpr const char* kNames[] = {"MR",  "MW", "FLT", "EXIT", "BAR",
                                           "COM", "FP", "RND", "TERM", "ST"};
  std::string out;
  for (unsigned i = 0; i < 10; ++i) {
    if ((effects >> i & 1) != 0) out += (out.empty() ? "" : " ") + std::string(kNames[i]);
  }
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '<' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

}  // namespace

std::string opcode_list(const std::string& inc) {
  std::string out;
  std::istringstream lines(inc);
  bool listing = false, in_table = false;
  std::size_t index = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("ASHLAR_OP(", 0) == 0) {
      if (index >= ir::kOpcodeCount) return "opcodes.inc has more lines than the library has opcodes";
      const auto& info = ir::info(static_cast<ir::Opcode>(index++));
      const std::string name = trimmed(line.substr(10, line.find(',') - 10));
      if (name != info.name) return "opcodes.inc has " + name + " where the library has " + info.name;
      if (!in_table)
        out += "\n| opcode | form | dst | src | effects | meaning |\n|---|---|---|---|---|---|\n";
      in_table = true;
      const auto comment = line.find("//");
      out += "| `" + name + "` | " + form_name(info.form) + " | " + class_name(info.dst) + " | " +
             class_name(info.src) + " | " + effect_names(info.effects) + " | " +
             (comment == std::string::npos ? "" : escaped(trimmed(line.substr(comment + 2)))) + " |\n";
      listing = true;
    } else if (listing && line.rfind("// ", 0) == 0 && line.find("clang-format") == std::string::npos) {
      out += (in_table ? "\n" : "") + escaped(trimmed(line.substr(3))) + '\n';
      in_table = false;
    }
  }
  return index == ir::kOpcodeCount ? out : "opcodes.inc has fewer lines than the library has opcodes";
}

}  // namespace ashlar::test
