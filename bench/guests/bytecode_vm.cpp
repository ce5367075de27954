// A stack machine with a big switch, running a small compiled program: indirect jumps with many targets.
#include <vector>

#include "bench.hpp"

enum Op : uint8_t {
  push,
  load,
  store,
  add,
  sub,
  mul,
  div_,
  mod,
  and_,
  or_,
  xor_,
  shl,
  shr,
  less,
  equal,
  jump,
  jump_if_zero,
  dup_,
  swap_,
  drop,
  load_at,
  store_at,
  call,
  ret,
  neg,
  not_,
  inc,
  dec,
  halt
};

struct Code {
  std::vector<int32_t> words;
  void op(Op o) { words.push_back(o); }
  void op(Op o, int32_t arg) { words.push_back(o), words.push_back(arg); }
  int here() const { return int(words.size()); }
};

static int64_t run(const int32_t* code, int64_t* mem) {
  int64_t stack[256], *sp = stack;
  const int32_t* returns[64];
  int depth = 0;
  const int32_t* pc = code;
  for (;;) {
    switch (*pc++) {
      case push:
        *sp++ = *pc++;
        break;
      case load:
        *sp++ = mem[*pc++];
        break;
      case store:
        mem[*pc++] = *--sp;
        break;
      case add:
        sp--, sp[-1] += sp[0];
        break;
      case sub:
        sp--, sp[-1] -= sp[0];
        break;
      case mul:
        sp--, sp[-1] = int64_t(uint64_t(sp[-1]) * uint64_t(sp[0]));
        break;
      case div_:
        sp--, sp[-1] = sp[0] ? sp[-1] / sp[0] : 0;
        break;
      case mod:
        sp--, sp[-1] = sp[0] ? sp[-1] % sp[0] : 0;
        break;
      case and_:
        sp--, sp[-1] &= sp[0];
        break;
      case or_:
        sp--, sp[-1] |= sp[0];
        break;
      case xor_:
        sp--, sp[-1] ^= sp[0];
        break;
      case shl:
        sp--, sp[-1] = int64_t(uint64_t(sp[-1]) << (sp[0] & 63));
        break;
      case shr:
        sp--, sp[-1] = int64_t(uint64_t(sp[-1]) >> (sp[0] & 63));
        break;
      case less:
        sp--, sp[-1] = sp[-1] < sp[0];
        break;
      case equal:
        sp--, sp[-1] = sp[-1] == sp[0];
        break;
      case jump:
        pc = code + *pc;
        break;
      case jump_if_zero:
        pc = *--sp ? pc + 1 : code + *pc;
        break;
      case dup_:
        *sp = sp[-1], sp++;
        break;
      case swap_: {
        int64_t t = sp[-1];
        sp[-1] = sp[-2], sp[-2] = t;
        break;
      }
      case drop:
        sp--;
        break;
      case load_at:
        sp[-1] = mem[sp[-1]];
        break;
      case store_at:
        sp -= 2, mem[sp[1]] = sp[0];
        break;
      case call:
        returns[depth++] = pc + 1, pc = code + *pc;
        break;
      case ret:
        pc = returns[--depth];
        break;
      case neg:
        sp[-1] = -sp[-1];
        break;
      case not_:
        sp[-1] = ~sp[-1];
        break;
      case inc:
        mem[*pc++]++;
        break;
      case dec:
        mem[*pc++]--;
        break;
      case halt:
        return *--sp;
      default:
        return -1;
    }
  }
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 48);
  // mem[0] = i, mem[1] = seed, mem[2] = sum, mem[3] = limit, mem[16..1039] = table
  Code c;
  c.op(jump, 0);
  int mix = c.here();  // ( x -- y )
  c.op(dup_), c.op(push, 13), c.op(shr), c.op(xor_), c.op(push, 0x5bd1e995), c.op(mul), c.op(dup_),
      c.op(push, 15);
  c.op(shr), c.op(xor_), c.op(ret);
  c.words[1] = c.here();
  int loop = c.here();
  c.op(load, 1), c.op(call, mix), c.op(dup_), c.op(store, 1);
  c.op(push, 1023), c.op(and_), c.op(push, 16), c.op(add), c.op(dup_), c.op(load_at);  // ( slot value )
  c.op(dup_), c.op(push, 500), c.op(less), c.op(jump_if_zero);
  int patch = c.here();
  c.words.push_back(0);
  c.op(push, 7), c.op(add), c.op(load, 0), c.op(xor_), c.op(jump);
  int patch2 = c.here();
  c.words.push_back(0);
  c.words[size_t(patch)] = c.here();
  c.op(push, 3), c.op(div_), c.op(load, 2), c.op(push, 255), c.op(and_), c.op(sub);
  c.words[size_t(patch2)] = c.here();
  c.op(dup_), c.op(load, 2), c.op(add), c.op(store, 2);
  c.op(swap_), c.op(store_at), c.op(inc, 0), c.op(load, 0), c.op(load, 3), c.op(less), c.op(not_),
      c.op(push, 1);
  c.op(and_), c.op(jump_if_zero, loop), c.op(load, 2), c.op(halt);
  std::vector<int64_t> mem(16 + 1024);
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    mem[0] = 0, mem[1] = 12345 + r, mem[3] = 100000;
    sum.add(uint64_t(run(c.words.data(), mem.data())));
  }
  return report("bytecode_vm", sum.hash);
}
