// Opcode tests: which blocks, which values.
#include "support/op_cases.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <ashlar/block_builder.hpp>
#include <ashlar/ir_text.hpp>

#include "ir/float_semantics.hpp"
#include "ir/shape.hpp"
#include "support/reference.hpp"
#include "support/test_guest.hpp"

namespace ashlar::test {

using ir::AuxKind;
using ir::Form;
using ir::ImmKind;
using ir::Inst;
using ir::LowHalf;
using ir::Opcode;
using ir::Value;
using ir::ValueClass;

namespace {

/// Where an instruction's operands are. Equal letters are equal registers; '0' is the zero operand.
struct Arrangement {
  char dst, a, b, c;
  bool low_rank = false;      // slots that no host keeps in registers
  bool temp_dst = false;      // the destination is a temporary, copied out behind
  bool temp_sources = false;  // the sources are temporaries, copied in before
};

constexpr Arrangement kArrangements[] = {
    {'d', 'a', 'b', 'c'},
    {'d', 'a', 'b', 'c', true},
    {'a', 'a', 'b', 'c'},
    {'b', 'a', 'b', 'c'},
    {'c', 'a', 'b', 'c'},
    {'d', 'a', 'a', 'c'},
    {'d', 'a', 'b', 'a'},
    {'d', 'a', 'b', 'b'},
    {'d', 'a', 'a', 'a'},
    {'a', 'a', 'a', 'a'},
    {'a', 'a', 'a', 'c'},
    {'b', 'a', 'b', 'b', true},
    {'d', '0', 'b', 'c'},
    {'d', 'a', '0', 'c'},
    {'d', 'a', 'b', '0'},
    {'d', '0', '0', '0'},
    {'b', '0', 'b', 'c'},
    {'d', 'a', 'b', 'c', false, true, false},
    {'d', 'a', 'b', 'c', true, false, true},
    {'d', 'a', 'b', 'c', false, true, true},
    {'b', 'a', 'b', 'c', false, true, true},
};

/// What the constant fields of an instruction may be: imm, aux and aux2.
struct Constants {
  std::int32_t imm = 0;
  unsigned aux = 0, aux2 = 0;
};

std::vector<Constants> constants_of(const ir::Shape& shape) {
  std::vector<Constants> list;
  switch (shape.aux) {
    case AuxKind::none:
      list = {{}};
      break;
    case AuxKind::rounding:
      list = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}};
      break;
    case AuxKind::division:
      list = {{0, 0}, {0, 1}};
      break;
    case AuxKind::shift32:
      list = {{0, 0}, {0, 1}, {0, 3}, {0, 31}};
      break;
    case AuxKind::shift64:
      list = {{0, 0}, {0, 1}, {0, 3}, {0, 4}, {0, 31}, {0, 32}, {0, 63}};
      break;
    case AuxKind::bit_field:
      for (const unsigned low : {0u, 1u, 7u, 31u, 32u, 63u}) {
        for (const unsigned width : {1u, 8u, 16u, 31u, 32u, 33u, 64u}) {
          if (low + width <= 64) list.push_back({0, low, width});
        }
      }
      break;
    case AuxKind::order:
      list = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
      break;
    case AuxKind::fence:
      list = {{0, 0}, {0, 0xff}, {0, 0x31}, {0, 0x13}, {0, 0x33}, {0, 0x22}, {0, 0x8c}};
      break;
    case AuxKind::hint:
      list = {{0, 0}, {0, 1}, {0, 2}};
      break;
    case AuxKind::stop:
      list = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}};
      break;
  }
  std::vector<Constants> out;
  for (const Constants& c : list) {
    switch (shape.imm) {
      case ImmKind::none:
      case ImmKind::const64:  // builds its own
      case ImmKind::return_site:
        out.push_back(c);
        break;
      case ImmKind::constant:
        for (const std::int32_t imm : kImmediates) out.push_back({imm, c.aux, c.aux2});
        break;
      case ImmKind::displacement:
        for (const std::int32_t imm : {0, 8, -8, 0x7f, 0x1000, -0x1001, INT32_MAX, INT32_MIN}) {
          out.push_back({imm, c.aux, c.aux2});
        }
        break;
      case ImmKind::helper:
        for (std::size_t id = 0; id < test_helpers().size(); ++id)
          out.push_back({static_cast<std::int32_t>(id)});
        break;
      case ImmKind::detail:
        for (const std::int32_t imm : {0, 1, -1, INT32_MAX, INT32_MIN}) out.push_back({imm, c.aux});
        break;
    }
  }
  return out;
}

class OpcodeTest {
 public:
  OpcodeTest(Opcode op, const EngineMaker& engine)
      : op_(op),
        shape_(ir::shape_of(op)),
        form_(ir::op_info(op).form),
        rng_(static_cast<std::uint64_t>(op) + 1) {
    machine_ = Machine::create(engine, test_layout());
    memory_ = make_test_memory();
    if (auto vcpu = Vcpu::create(test_layout(), memory_.get()); vcpu && memory_)
      expected_ = std::move(vcpu).value();
  }

  OpcodeReport run() {
    if (!machine_ || !expected_) {
      report_.failures = "the machine could not be made\n";
      return std::move(report_);
    }
    const bool all_arguments = form_ != Form::help;
    for (unsigned arguments = all_arguments ? 3 : 0; arguments <= 3; ++arguments) {
      for (const Constants& constants : constants_of(shape_)) {
        for (const Arrangement& arrangement : kArrangements) {
          if (!makes_a_difference(arrangement)) continue;
          for (const bool returns : {false, true}) {
            if (returns && !(shape_.aux == AuxKind::hint &&
                             constants.aux == static_cast<unsigned>(ir::JumpHint::call))) {
              continue;
            }
            one_block(arrangement, constants, arguments, returns);
            if (failed_ >= 3) return std::move(report_);
          }
        }
      }
    }
    return std::move(report_);
  }

 private:
  bool has(char which) const {
    switch (which) {
      case 'a':
        return shape_.a != ValueClass::N;
      case 'b':
        return shape_.b != ValueClass::N;
      case 'c':
        return shape_.c != ValueClass::N;
      default:
        return shape_.dst != ValueClass::N;
    }
  }
  ValueClass class_of(char which) const {
    return which == 'a' ? shape_.a : which == 'b' ? shape_.b : which == 'c' ? shape_.c : shape_.dst;
  }

  /// Whether the arrangement is possible for the opcode, and not the same as an earlier one.
  bool makes_a_difference(const Arrangement& it) const {
    const auto shares = [&](char operand,
                            char place) {  // `operand` is in the place of `place`, or in its own
      if (place == '0') return has(operand);
      return operand == place || (has(operand) && has(place) && class_of(operand) == class_of(place));
    };
    const bool plain = it.dst == 'd' && it.a == 'a' && it.b == 'b' && it.c == 'c';
    if (plain && !it.low_rank && !it.temp_dst && !it.temp_sources) return true;
    if (it.temp_dst && !has('d')) return false;
    if (it.temp_sources && !has('a')) return false;
    // Operands that the opcode lacks may stand anywhere; what remains must be possible and unusual.
    bool unusual = (it.low_rank && (has('d') || has('a'))) || it.temp_dst || it.temp_sources;
    for (const auto& [operand, place] : {std::pair('d', it.dst), {'a', it.a}, {'b', it.b}, {'c', it.c}}) {
      if (!has(operand)) continue;
      if (!shares(operand, place)) return false;
      unusual = unusual || operand != place;
    }
    return unusual;
  }

  /// The slot of a place. Integer and float ones have numbers of their own.
  static Value slot_of(char place, ValueClass cls, bool low_rank) {
    const unsigned number = static_cast<unsigned>(place - 'a');
    if (cls == ValueClass::F) return Value::slot(real_slot(low_rank ? kRealSlots - 1 - number : number));
    return Value::slot(integer_slot(low_rank ? kIntegerSlots - 1 - number : number));
  }

  /// The operand that stands at `place`, as a source.
  Value source(const Arrangement& it, char operand, char place) {
    if (!has(operand)) return {};
    if (place == '0') return Value::zero();
    const Value slot = slot_of(place, class_of(operand), it.low_rank);
    if (std::find(inputs_.begin(), inputs_.end(), slot) == inputs_.end()) inputs_.push_back(slot);
    if (!it.temp_sources) return slot;
    return copies_[place - 'a'].is_none() ? copies_[place - 'a'] = copy(slot, class_of(operand))
                                          : copies_[place - 'a'];
  }
  Value copy(Value from, ValueClass cls) {
    const Value temp = builder_.temp();
    builder_.r(cls == ValueClass::F ? Opcode::fmov : Opcode::mov64, temp, from);
    return temp;
  }

  void one_block(const Arrangement& it, const Constants& constants, unsigned arguments, bool returns) {
    const std::uint64_t id = ++id_;
    builder_.begin(BlockKey::from_id(id));
    builder_.guest_instruction({0x100000 + 16 * id}, 4);
    inputs_.clear();
    std::fill(std::begin(copies_), std::end(copies_), Value::none());
    Inst inst;
    inst.op = op_;
    inst.imm = constants.imm;
    if (arguments >= 1) inst.a = source(it, 'a', it.a);
    if (arguments >= 2) inst.b = source(it, 'b', it.b);
    const Value c = arguments >= 3 ? source(it, 'c', it.c) : Value::none();
    Value out;
    if (has('d')) {
      const Value slot = slot_of(it.dst == '0' ? 'd' : it.dst, shape_.dst, it.low_rank);
      inst.dst = slot;
      if (it.temp_dst) {
        inst.dst = it.temp_sources && it.dst != 'd' && !copies_[it.dst - 'a'].is_none()
                       ? copies_[it.dst - 'a']
                       : builder_.temp();
        out = slot;
      }
    }
    // Around the instruction, other guest instructions with an effect: an exit or fault must not lose or add
    // one.
    const Value before = Value::slot(integer_slot(10)), behind = Value::slot(integer_slot(11));
    builder_.ri(Opcode::add64_i, before, before, 1);
    builder_.guest_instruction({0x100004 + 16 * id}, 4);
    if (op_ == Opcode::const64) {
      builder_.const64(inst.dst, kIntegers[id % kIntegers.size()]);
    } else if (op_ == Opcode::nop) {
      builder_.emit({});
    } else {
      switch (shape_.low) {
        case LowHalf::none:
        case LowHalf::operand_c:
          inst.ext = Inst::pack(c, constants.aux, constants.aux2);
          break;
        case LowHalf::exit:
          inst.ext = Inst::pack_exit(builder_.exit_to(GuestAddr{0x51}), constants.aux);
          break;
        case LowHalf::branch:
          inst.ext = Inst::pack_exit(builder_.exit_to(GuestAddr{0x51}), builder_.exit_to(GuestAddr{0x52}));
          break;
        case LowHalf::return_site:
          inst.ext =
              Inst::pack_exit(returns ? builder_.exit_to(GuestAddr{0x53}) : Inst::kNoExit, constants.aux);
          break;
      }
      if (shape_.imm == ImmKind::return_site) {
        inst.imm = returns ? static_cast<std::int32_t>(builder_.exit_to(GuestAddr{0x53})) : -1;
      }
      builder_.emit(inst);
    }
    if (!builder_.terminated()) {
      // Reservations: the store-conditional of the same address, which finds the reservation.
      if (op_ == Opcode::lr32 || op_ == Opcode::lr64) {
        builder_.atomic(op_ == Opcode::lr32 ? Opcode::sc32 : Opcode::sc64, behind,
                        inst.a == inst.dst ? Value::zero() : inst.a, before, {}, 0);
      }
      if (!out.is_none())
        builder_.r(shape_.dst == ValueClass::F ? Opcode::fmov : Opcode::mov64, out, inst.dst);
      builder_.guest_instruction({0x100008 + 16 * id}, 4);
      builder_.ri(Opcode::add64_i, behind, behind, 1);
      builder_.jump({0x50});
    }
    auto block = builder_.build_verified(test_layout());
    if (!block) return fail(block.error().message);
    if (auto put = machine_->put(id, **block); !put) return fail(put.error().message);
    ++report_.blocks;
    values(**block, constants,
           it.dst == 'd' && it.a == 'a' && it.b == 'b' && it.c == 'c' && !it.low_rank && !it.temp_dst &&
               !it.temp_sources);
  }

  bool is_memory() const {
    return form_ == Form::ld || form_ == Form::st || form_ == Form::amo || form_ == Form::cas;
  }

  /// What the input number `i` may be.
  std::uint64_t value_of(std::size_t i, std::size_t choice, const Constants& constants) {
    const Value slot = inputs_[i];
    const bool is_address = is_memory() && slot == address_slot_;
    if (is_address) {
      static constexpr std::uint64_t kAddresses[] = {
          0x100,       0x108,       0x10c,   0x101,     0x1ffd,       0xfff,      kMapped - 8,
          kMapped - 4, kMapped - 1, kMapped, 0x8ffc,    0x8fff,       kWindow,    0xffff,
          kWindow - 8, 0,           ~0ull,   ~0ull - 7, 0x8000000000, 1ull << 63,
      };
      return kAddresses[choice % std::size(kAddresses)] -
             static_cast<std::uint64_t>(std::int64_t{constants.imm});
    }
    if (slot.slot_index() < kIntegerSlots) return kIntegers[choice % kIntegers.size()];
    const bool single = std::string_view(ir::op_info(op_).name).find("32") != std::string_view::npos;
    const std::size_t boxes = kFloats32.size(), all = boxes + kFloats64.size();
    // Operations of either width see mostly their own format, and some of the other.
    const std::size_t n = choice % all;
    if (single)
      return n < boxes ? ir::semantics::box32(kFloats32[n])
             : n % 2   ? kFloats64[n - boxes]
                       : kFloats32[n % boxes];
    return n < kFloats64.size() ? kFloats64[n] : ir::semantics::box32(kFloats32[n - kFloats64.size()]);
  }
  std::size_t choices_of(std::size_t i) const {
    if (is_memory() && inputs_[i] == address_slot_) return 20;
    return inputs_[i].slot_index() < kIntegerSlots ? kIntegers.size() : kFloats32.size() + kFloats64.size();
  }

  /// Executes the block with values for its inputs: all of them, crossed, if they are few enough, else a
  /// sample.
  void values(const ir::Block& block, const Constants& constants, bool thorough) {
    address_slot_ = Value::none();
    if (is_memory() && !inputs_.empty()) {
      // The first input is the address, unless the address is zero.
      for (const Inst& inst : block.insts()) {
        if (inst.op == op_ && !inst.a.is_zero()) address_slot_ = inputs_[0];
      }
    }
    std::size_t all = 1;
    for (std::size_t i = 0; i < inputs_.size(); ++i) all *= choices_of(i);
    const std::size_t most = thorough ? 400 : 12;
    begin_state();
    for (std::size_t n = 0; n < std::min(all, most); ++n) {
      std::size_t rest = all <= most ? n : rng_.next() % all;
      inputs_now_.clear();
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        inputs_now_.push_back(value_of(i, rest % choices_of(i), constants));
        rest /= choices_of(i);
      }
      one_case(block);
      if (failed_ >= 3) return;
    }
  }

  void begin_state() {
    scramble(*expected_, rng_);
    copy_state(machine_->vcpu(), *expected_);
  }

  void one_case(const ir::Block& block) {
    ++report_.cases;
    Vcpu& vcpu = machine_->vcpu();
    const auto flags = static_cast<std::uint8_t>(rng_.percent(50) ? 0 : rng_.below(32));
    for (Vcpu* v : {&vcpu, expected_.get()}) {
      for (std::size_t i = 0; i < inputs_.size(); ++i) v->set_slot(inputs_[i].slot_index(), inputs_now_[i]);
      v->set_float_flags(flags);
      v->clear_reservation();
    }
    const ExecutionResult result = machine_->engine().execute_block(vcpu, block.key());
    ExecutionResult expected = execute_reference(*expected_, block, test_helpers());
    expected.instructions = result.instructions;  // counted with fuel only
    std::string differs = difference(result, expected) + difference(vcpu, *expected_, is_memory());
    if (differs.empty()) return;
    std::string text = ir::print(block, &test_layout());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      text += test_layout().slots[inputs_[i].slot_index()].name + " = " + hex(inputs_now_[i]) + ", ";
    }
    fail(text + "flags = " + std::to_string(flags) + ": found against expected:\n" + differs);
    begin_state();
  }

  void fail(const std::string& what) {
    ++failed_;
    report_.failures += std::string(ir::op_info(op_).name) + ": " + what + "\n";
  }

  const Opcode op_;
  const ir::Shape shape_;
  const Form form_;
  Rng rng_;
  std::unique_ptr<Machine> machine_;
  std::shared_ptr<FlatMemory> memory_;
  std::unique_ptr<Vcpu> expected_;
  BlockBuilder builder_;
  std::uint64_t id_ = 0x1000;
  std::vector<Value> inputs_;  // slots that the instruction reads
  std::vector<std::uint64_t> inputs_now_;
  Value copies_[4];
  Value address_slot_;
  unsigned failed_ = 0;
  OpcodeReport report_;
};

}  // namespace

OpcodeReport check_opcode(Opcode op, const EngineMaker& engine) { return OpcodeTest(op, engine).run(); }

}  // namespace ashlar::test
