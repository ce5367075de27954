// ashlar dump: shows what becomes of guest code.
#include <charconv>
#include <cstdio>
#include <optional>
#include <set>

#include <ashlar/ashlar.hpp>

#include "options.hpp"

namespace ashlar::tool {
namespace {

std::optional<GuestAddr> parse_address(const std::string& text) {
  const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const char* first = text.data() + (hex ? 2 : 0);
  const char* last = text.data() + text.size();
  GuestAddr at;
  const auto [end, error] = std::from_chars(first, last, at.value, hex ? 16 : 10);
  if (error != std::errc{} || end != last || text.empty()) return std::nullopt;
  return at;
}

// One block in its three forms, and in the host's code if a host is named. Returns the guest addresses that
// it can go on to directly.
Result<std::vector<GuestAddr>> dump_block(linux_user::Process& process, GuestAddr at, const std::string& host,
                                          bool hot) {
  const Frontend& frontend = process.frontend();
  FlatMemory& memory = process.memory();
  const BlockKey key{at, 0};
  std::string host_code;
  if (!host.empty()) {
    // First, so that a host without an emitter is one sentence and nothing else.
    Result<std::string> listing = process.context().dump_host(key, host, hot);
    if (!listing && listing.error().code != ErrorCode::unknown_block) return listing.error();
    if (listing) host_code = std::move(listing).value();
  }
  BlockBuilder builder;
  builder.begin(key);
  const TranslateLimits& limits = process.context().config().translate;
  const TranslateResult translated = frontend.translate(key, &memory, limits, builder);
  if (translated.fetch_fault.kind != FaultKind::none) {
    char text[64];
    std::snprintf(text, sizeof text, "there is no executable code at 0x%llx",
                  static_cast<unsigned long long>(at.value));
    return Error{ErrorCode::out_of_range, text};
  }
  std::printf("block 0x%llx %s\n\nguest code:\n", static_cast<unsigned long long>(at.value),
              process.describe(at).c_str());
  for (const ir::Boundary& boundary : builder.parts().boundaries) {
    unsigned length = 0;
    const std::string text = frontend.disassemble(boundary.pc, &memory, &length);
    std::string bytes;
    for (unsigned i = 0; i < length; i += 2) {
      std::uint16_t parcel = 0;
      memory.read(boundary.pc + (length - 2 - i), std::as_writable_bytes(std::span{&parcel, 1}));
      char digits[8];
      std::snprintf(digits, sizeof digits, "%04x", parcel);
      bytes += digits;
    }
    std::printf("  %8llx:  %-8s  %s\n", static_cast<unsigned long long>(boundary.pc.value), bytes.c_str(),
                text.c_str());
  }
  for (const bool optimised : {false, true}) {
    Result<std::string> text = process.context().dump_ir(key, optimised);
    if (!text) return text.error();
    std::printf("\n%s:\n%s", optimised ? "optimised IR" : "IR", text->c_str());
    if (!text->empty() && text->back() != '\n') std::printf("\n");
  }
  if (!host.empty()) std::printf("\n%s code:\n%s", host.c_str(), host_code.c_str());
  std::vector<GuestAddr> next;
  for (const ir::Exit& exit : builder.parts().exits) next.push_back(exit.target.addr);
  return next;
}

}  // namespace

int dump_command(const DumpOptions& options) {
  if (!options.host.empty() && options.host != "x64" && options.host != "a64")
    return complain("--host takes x64 or a64, not '" + options.host + "'");
  linux_user::ProcessConfig config;
  config.program = options.program;
  auto process = linux_user::Process::create(std::move(config));
  if (!process) return complain(process.error().message);
  GuestAddr at = (*process)->entry();
  if (!options.at.empty()) {
    // A symbol first: programs may have symbols that look like numbers, but hardly with 0x.
    std::optional<GuestAddr> found = (*process)->find_symbol(options.at);
    if (!found) found = parse_address(options.at);
    if (!found)
      return complain("'" + options.program + "' has no symbol '" + options.at +
                      "', and that is no address either");
    at = *found;
  }
  // The block, and then those it leads to, nearest first.
  std::set<std::uint64_t> done;
  std::vector<GuestAddr> queue = {at};
  for (std::size_t i = 0; i < queue.size() && done.size() < options.blocks; ++i) {
    if (!done.insert(queue[i].value).second) continue;
    if (done.size() > 1) std::printf("\n");
    Result<std::vector<GuestAddr>> next = dump_block(**process, queue[i], options.host, options.hot);
    if (!next) return complain(next.error().message);
    queue.insert(queue.end(), next->begin(), next->end());
  }
  return 0;
}

}  // namespace ashlar::tool
