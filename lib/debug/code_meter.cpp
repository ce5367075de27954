// Weighs the host code of blocks by how often each way through them was taken: blocks count that themselves,
// and listings say which instructions belong to which way (codegen/way.hpp). See <ashlar/debug.hpp>.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include <ashlar/debug.hpp>

#include "codegen/way.hpp"

namespace ashlar::debug {
namespace {

using codegen::Way;

/// A listing's instructions, weighed.
class Weighing {
 public:
  explicit Weighing(std::span<const std::uint64_t> ways) : ways_(ways), length_((ways.size() - 3) / 2) {}

  /// False: the listing is not one of the block that counted.
  bool add(std::string_view listing) {
    while (!listing.empty()) {
      const std::string_view line = listing.substr(0, listing.find('\n'));
      listing.remove_prefix(std::min(line.size() + 1, listing.size()));
      if (line.starts_with("; ")) {
        if (!mark(line.substr(2))) return false;
      } else if (is_instruction(line)) {
        executed += weight_;
      }
    }
    return next_ == length_;
  }

  std::uint64_t executed = 0, bytes = 0;
  /// Of the block: what its code has several times counts once.
  std::uint64_t guest_instructions = 0;

 private:
  std::uint64_t count_of(Way way, std::size_t guest_inst = 0) const {
    return ways_[codegen::way_index(way, guest_inst, length_)];
  }
  bool mark(std::string_view text) {
    constexpr std::string_view kBytesFor = " bytes for ";
    const auto number_behind = [&text](std::string_view word, std::uint64_t& number) {
      return text.starts_with(word) &&
             std::from_chars(text.data() + word.size(), text.data() + text.size(), number).ec == std::errc{};
    };
    std::uint64_t number = 0;
    if (text.starts_with("0x") || text.starts_with("guest 0x")) {
      if (next_ == length_) return false;
      weight_ = count_of(Way::guest, next_++);
    } else if (number_behind("exit ", number)) {
      if (number >= length_) return false;
      weight_ = count_of(Way::exit, number);
    } else if (text == "entered") {
      weight_ = count_of(Way::entered);
    } else if (text == "taken") {
      weight_ = count_of(Way::taken);
    } else if (text == "not taken") {
      weight_ = count_of(Way::not_taken);
    } else if (text == "seldom" || text == "out of line") {
      weight_ = 0;
    } else if (const std::size_t at = text.find(kBytesFor); at != std::string_view::npos) {
      number_behind("", bytes);
      text.remove_prefix(at);
      number_behind(kBytesFor, guest_instructions);
    }
    return true;
  }
  /// Neither a comment nor a label nor data.
  static bool is_instruction(std::string_view line) {
    return !line.empty() && line.front() != ';' && line.back() != ':' && !line.starts_with(".db");
  }

  std::span<const std::uint64_t> ways_;
  std::size_t length_;
  std::size_t next_ = 0;
  std::uint64_t weight_ = 0;
};

class Meter final : public CodeMeter {
 public:
  explicit Meter(Namer name) : name_(std::move(name)) {}

  void runtime_published(const void*, std::span<const std::byte>) override {}
  void code_published(const PublishedCode& published) override {
    if (published.ways.empty()) return;
    std::lock_guard lock(mutex_);
    counted_[published.key].insert({published.ways.data(), published.ways.size()});
  }

  CodeMeasure measure(const Lister& list) override {
    std::lock_guard lock(mutex_);
    CodeMeasure measure;
    measure.hosts = {"x64", "a64"};
    for (const auto& [key, blocks] : counted_) {
      for (const auto& [data, size] : blocks) {
        std::vector<std::uint64_t> ways(size);
        for (std::size_t i = 0; i < size; ++i)
          ways[i] = std::atomic_ref(data[i]).load(std::memory_order_relaxed);
        const std::size_t length = (size - 3) / 2;
        MeasuredBlock block;
        block.key = key;
        block.guest_instructions = static_cast<std::uint32_t>(length);
        for (std::size_t i = 0; i < length; ++i) block.guest_executed += ways[i];
        if (block.guest_executed == 0) continue;
        // Hot loops have each instruction twice, and as many counters.
        for (const bool hot : {false, true}) {
          for (const std::string& host : measure.hosts) {
            Result<std::string> listing = list(key, host, hot);
            Weighing weighing(ways);
            if (!listing || !weighing.add(*listing)) break;
            block.hosts.push_back({weighing.executed, weighing.bytes});
            block.guest_instructions = static_cast<std::uint32_t>(weighing.guest_instructions);
          }
          if (block.hosts.size() == measure.hosts.size()) break;
          block.hosts.clear();
        }
        if (block.hosts.size() != measure.hosts.size()) {
          ++measure.blocks_gone;
          continue;
        }
        measure.blocks.push_back(std::move(block));
      }
    }
    std::sort(
        measure.blocks.begin(), measure.blocks.end(), [](const MeasuredBlock& a, const MeasuredBlock& b) {
          return a.guest_executed != b.guest_executed ? a.guest_executed > b.guest_executed : a.key < b.key;
        });
    for (MeasuredBlock& block : measure.blocks) block.symbol = symbol_of(block.key, name_);
    return measure;
  }

 private:
  std::mutex mutex_;
  Namer name_;
  std::map<BlockKey, std::set<std::pair<std::uint64_t*, std::size_t>>> counted_;
};

std::string line(const char* format, auto... arguments) {
  char text[160];
  std::snprintf(text, sizeof text, format, arguments...);
  return text;
}

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 0. : static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

std::string CodeMeasure::to_table(std::size_t most) const {
  using ull = unsigned long long;
  std::uint64_t executed = 0, length = 0;
  for (const MeasuredBlock& block : blocks) {
    executed += block.guest_executed;
    length += block.guest_instructions;
  }
  std::string text = line("code: %llu guest instructions executed, of %llu in %zu blocks\n",
                          static_cast<ull>(executed), static_cast<ull>(length), blocks.size());
  if (blocks_gone != 0)
    text += line("code: %llu more blocks can't be listed any more and are not counted\n",
                 static_cast<ull>(blocks_gone));
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    std::uint64_t host_executed = 0, bytes = 0;
    for (const MeasuredBlock& block : blocks) {
      host_executed += block.hosts[h].executed;
      bytes += block.hosts[h].bytes;
    }
    text += line("code: %s: %.3f instructions executed, %.1f bytes of code for a guest instruction\n",
                 hosts[h].c_str(), ratio(host_executed, executed), ratio(bytes, length));
  }
  if (blocks.empty() || most == 0) return text;
  text += "  guest %";
  for (const std::string& host : hosts) text += line("  %6s", host.c_str());
  text += "  instructions  block\n";
  for (std::size_t i = 0; i < std::min(most, blocks.size()); ++i) {
    const MeasuredBlock& block = blocks[i];
    text += line("  %7.1f", 100. * ratio(block.guest_executed, executed));
    for (const MeasuredBlock::Host& host : block.hosts)
      text += line("  %6.2f", ratio(host.executed, block.guest_executed));
    text += line("  %12u  ", block.guest_instructions) + block.symbol + "\n";
  }
  return text;
}

std::unique_ptr<CodeMeter> make_code_meter(Namer name) { return std::make_unique<Meter>(std::move(name)); }

}  // namespace ashlar::debug
