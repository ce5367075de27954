// Creating vCPUs: one aligned allocation for temporaries, the frame's two headers, the state slots, the Vcpu
// and the engine's data of it. Here because this is the lowest room that may see both the vCPU and its
// memory.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/vcpu.hpp>

#include "base/float_unit.hpp"
#include "mem/null_window.hpp"
#include "mem/reservations.hpp"

namespace ashlar {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kWordsBelow = ir::Value::kMaxTemps + ir::Value::kColdWords;
static_assert(kWordsBelow * 8 % kAlignment == 0, "the base is as aligned as the allocation");

constexpr std::size_t lines(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Result<std::unique_ptr<Vcpu>> Vcpu::create(const StateLayout& layout, FlatMemory* memory) {
  const std::size_t slots = layout.slots.size();
  if (slots > static_cast<std::size_t>(ir::Value::kMaxSlots)) {
    return Error{ErrorCode::invalid_argument, "the state layout has " + std::to_string(slots) +
                                                  " slots, more than " +
                                                  std::to_string(ir::Value::kMaxSlots)};
  }
  std::vector<std::string_view> names;
  names.reserve(slots);
  for (const SlotInfo& slot : layout.slots) names.push_back(slot.name);
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return Error{ErrorCode::invalid_argument,
                 "the state layout has two slots named \"" + std::string(*twice) + "\""};
  }
  std::byte* const base = memory != nullptr ? memory->base() : mem::null_window();
  if (base == nullptr) {
    return Error{ErrorCode::out_of_memory, "the host refuses address space for a vCPU without memory"};
  }

  const std::size_t words = kWordsBelow + static_cast<std::size_t>(ir::Value::kFirstSlotWord) + slots;
  const std::size_t frame_bytes = lines(words * 8);
  const std::size_t bytes = frame_bytes + lines(sizeof(Vcpu)) + lines(kEngineRoom);
  auto* const allocation = static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes));
  if (allocation == nullptr) return Error{ErrorCode::out_of_memory, "no memory for a vCPU"};
  std::memset(allocation, 0, bytes);

  std::unique_ptr<Vcpu> vcpu(new (allocation + frame_bytes) Vcpu);
  vcpu->engine_room_ = allocation + frame_bytes + lines(sizeof(Vcpu));
  vcpu->memory_ = memory;
  vcpu->layout_ = &layout;
  std::byte* const frame = allocation + kWordsBelow * 8;
  new (frame - sizeof(VcpuCold)) VcpuCold{};
  vcpu->frame_ = new (frame) VcpuFrame{};
  VcpuFrame& made = *vcpu->frame_;
  made.hot.mem_limit = memory != nullptr ? memory->check_limit() : 0;
  made.cold().mem_base = base;
  made.cold().vcpu = vcpu.get();
  made.cold().reservation_addr = mem::kNoReservation;
  made.cold().reservations = mem::reservation_granules;
  made.cold().host_float_control = float_unit::guest_word(RoundingMode::rne);
  made.cold().canonical_nan64 = 0x7ff8'0000'0000'0000;
  made.cold().canonical_nan32 = 0xffff'ffff'7fc0'0000;
  return vcpu;
}

Vcpu::~Vcpu() { set_engine_data(nullptr, nullptr); }

void Vcpu::operator delete(Vcpu* vcpu, std::destroying_delete_t) noexcept {
  std::byte* const allocation = reinterpret_cast<std::byte*>(vcpu->frame_) - kWordsBelow * 8;
  vcpu->~Vcpu();
  std::free(allocation);
}

}  // namespace ashlar
