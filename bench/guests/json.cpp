// A recursive-descent JSON parser and printer over a generated document.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench.hpp"

struct Value {
  enum Kind { null, boolean, number, string, array, object } kind = null;
  double num = 0;
  std::string str;
  std::vector<Value> items;
  std::map<std::string, Value> members;
};

struct Parser {
  const char* p;
  void space() {
    while (*p == ' ' || *p == '\n') p++;
  }
  std::string text() {
    std::string s;
    for (p++; *p != '"'; p++) {
      if (*p == '\\') {
        p++;
        s += *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
      } else {
        s += *p;
      }
    }
    p++;
    return s;
  }
  Value value() {
    Value v;
    space();
    switch (*p) {
      case '{':
        v.kind = Value::object;
        p++;
        for (space(); *p != '}';) {
          std::string key = text();
          space();
          p++;
          v.members.emplace(std::move(key), value());
          space();
          if (*p == ',') p++;
          space();
        }
        p++;
        break;
      case '[':
        v.kind = Value::array;
        p++;
        for (space(); *p != ']';) {
          v.items.push_back(value());
          space();
          if (*p == ',') p++;
          space();
        }
        p++;
        break;
      case '"':
        v.kind = Value::string;
        v.str = text();
        break;
      case 't':
        v.kind = Value::boolean, v.num = 1, p += 4;
        break;
      case 'f':
        v.kind = Value::boolean, p += 5;
        break;
      case 'n':
        p += 4;
        break;
      default: {
        v.kind = Value::number;
        bool negative = *p == '-';
        if (negative) p++;
        long n = 0;
        while (*p >= '0' && *p <= '9') n = n * 10 + (*p++ - '0');
        v.num = double(negative ? -n : n);
      }
    }
    return v;
  }
};

static void print(const Value& v, std::string& out) {
  switch (v.kind) {
    case Value::null:
      out += "null";
      break;
    case Value::boolean:
      out += v.num != 0 ? "true" : "false";
      break;
    case Value::number:
      out += std::to_string(long(v.num));
      break;
    case Value::string:
      out += '"';
      for (char c : v.str) {
        if (c == '\n')
          out += "\\n";
        else if (c == '"' || c == '\\')
          out += '\\', out += c;
        else
          out += c;
      }
      out += '"';
      break;
    case Value::array: {
      out += '[';
      bool first = true;
      for (const auto& i : v.items) {
        if (!first) out += ',';
        first = false;
        print(i, out);
      }
      out += ']';
      break;
    }
    case Value::object: {
      out += '{';
      bool first = true;
      for (const auto& [k, m] : v.members) {
        if (!first) out += ',';
        first = false;
        out += '"' + k + "\":";
        print(m, out);
      }
      out += '}';
    }
  }
}

static Value make(Rng& rng, int depth) {
  Value v;
  uint32_t kind = depth > 5 ? rng.below(4) : 3 + rng.below(3);
  switch (kind) {
    case 0:
      break;
    case 1:
      v.kind = Value::boolean, v.num = rng.below(2);
      break;
    case 2:
      v.kind = Value::number, v.num = double(rng.below(2000000)) - 1e6;
      break;
    case 3:
      v.kind = Value::string;
      for (uint32_t n = rng.below(20); n--;) v.str += "abc \"\\\nxyz"[rng.below(10)];
      break;
    case 4:
      v.kind = Value::array;
      for (uint32_t n = 3 + rng.below(5); n--;) v.items.push_back(make(rng, depth + 1));
      break;
    default:
      v.kind = Value::object;
      for (uint32_t n = 3 + rng.below(5); n--;)
        v.members["key" + std::to_string(rng.below(1000))] = make(rng, depth + 1);
  }
  return v;
}

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 220);
  Rng rng;
  Value root;
  root.kind = Value::array;
  for (int i = 0; i < 12; i++) root.items.push_back(make(rng, 1));
  std::string text;
  print(root, text);
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    Parser parser{text.c_str()};
    Value v = parser.value();
    std::string again;
    print(v, again);
    if (again != text) return 1;
    sum.add(again.size());
  }
  for (char c : text) sum.add(uint8_t(c));
  return report("json", sum.hash);
}
