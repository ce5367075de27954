// Creating vCPUs.
#include <doctest/doctest.h>

#include <ashlar/vcpu.hpp>

using namespace ashlar;

TEST_CASE("a fresh vCPU is zero, reserved nothing, and lays out its frame as the ABI says") {
  StateLayout layout;
  for (int i = 0; i < 70; ++i) layout.slots.push_back({"x" + std::to_string(i), SlotClass::integer, 0});
  auto memory = FlatMemory::create({16 * FlatMemory::page_size()});
  REQUIRE(memory);
  auto made = Vcpu::create(layout, memory.value().get());
  REQUIRE(made);
  Vcpu& vcpu = *made.value();
  for (unsigned i = 0; i < 70; ++i) CHECK(vcpu.slot(i) == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(&vcpu.frame()) % 64 == 0);
  CHECK(vcpu.frame().cold().vcpu == &vcpu);
  CHECK(vcpu.frame().cold().mem_base == memory.value()->base());
  CHECK(vcpu.frame().hot.mem_limit == memory.value()->check_limit());
  CHECK(vcpu.frame().cold().reservation_addr == ~std::uint64_t{0});
  CHECK(vcpu.frame()[ir::Value::zero()] == 0);
  vcpu.set_slot(69, 7);
  CHECK(vcpu.frame()[ir::Value::slot(69)] == 7);
  vcpu.frame()[ir::Value::temp(ir::Value::kMaxTemps - 1)] = 9;
  CHECK(vcpu.slot(69) == 7);
  CHECK(vcpu.memory() == memory.value().get());
  CHECK(&vcpu.layout() == &layout);
}

TEST_CASE("layouts that can't be are refused with a sentence") {
  StateLayout twice{{{"a"}, {"b"}, {"a"}}};
  auto made = Vcpu::create(twice, nullptr);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::invalid_argument);
  CHECK(made.error().message.find("\"a\"") != std::string::npos);
  StateLayout many;
  for (int i = 0; i <= ir::Value::kMaxSlots; ++i) many.slots.push_back({"x" + std::to_string(i)});
  made = Vcpu::create(many, nullptr);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::invalid_argument);
  many.slots.pop_back();
  CHECK(Vcpu::create(many, nullptr));
  CHECK(Vcpu::create(StateLayout{}, nullptr));
}
