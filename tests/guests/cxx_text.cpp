// Streams, string streams, manipulators, std::regex, string_view, charconv and the C locale.
#include <algorithm>
#include <charconv>
#include <clocale>
#include <iomanip>
#include <iostream>
#include <locale>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>

int main() {
  std::cout << "int " << 42 << " hex " << std::hex << std::showbase << 255 << std::dec << " oct " << std::oct
            << 8 << std::dec << " bool " << std::boolalpha << true << '\n';
  std::cout << std::fixed << std::setprecision(3) << 3.14159 << ' ' << std::scientific << 12345.678 << ' '
            << std::defaultfloat << 1e100 << ' ' << std::hexfloat << 1.5 << std::defaultfloat << '\n';
  std::cout << std::setw(10) << std::setfill('*') << "right" << std::left << std::setw(10) << "left"
            << std::internal << std::setw(8) << -42 << '\n';
  std::istringstream in("17 0x1f 3.5 word \"quoted text\" 99999999999999999999");
  int a, h;
  double d;
  std::string w, q;
  in >> a >> std::hex >> h >> std::dec >> d >> w >> std::quoted(q);
  std::cout << a << ' ' << h << ' ' << d << ' ' << w << ' ' << q << '\n';
  long overflow;
  in >> overflow;
  std::cout << "overflow fails: " << in.fail() << " value " << overflow << '\n';

  std::regex date(R"((\d{4})-(\d\d)-(\d\d))");
  std::string text = "from 2024-06-07 to 1999-12-31, not 12-34-5678";
  for (std::sregex_iterator i(text.begin(), text.end(), date), end; i != end; ++i)
    std::cout << "date " << (*i)[1] << '/' << (*i)[2] << '/' << (*i)[3] << '\n';
  std::cout << std::regex_replace(text, date, "<$3.$2.$1>") << '\n';
  std::regex words("([a-z]+)(?=,|$)|\\b(t\\w)\\b", std::regex::icase);
  std::smatch m;
  std::cout << "search " << std::regex_search(text, m, words) << ' ' << m.position() << ' ' << m.str()
            << '\n';
  try {
    std::regex bad("(unclosed");
  } catch (const std::regex_error& e) {
    std::cout << "regex error " << (e.code() == std::regex_constants::error_paren) << '\n';
  }

  char buffer[64];
  for (double v : {0.1, 1e-310, 123456789.0, -0.0, 1.7976931348623157e308, 5e-324}) {
    auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
    std::cout << std::string_view(buffer, size_t(r.ptr - buffer)) << ' ';
  }
  std::cout << '\n';
  for (const char* s : {"0.1", "1e400", "2.2250738585072011e-308", "nan", "-inf", "0x1p-3"}) {
    double v = -1;
    auto r = std::from_chars(s, s + std::string_view(s).size(), v);
    std::cout << v << (r.ec == std::errc() ? " ok " : " range ");
  }
  std::cout << '\n';
  std::cout << "locale " << std::setlocale(LC_ALL, nullptr) << ' ' << std::locale().name() << ' '
            << std::toupper('q', std::locale::classic()) << '\n';
  try {
    std::locale missing("xx_YY.UTF-8");
  } catch (const std::runtime_error&) {
    std::cout << "no such locale\n";
  }
  std::wstring wide = L"wide";
  std::transform(wide.begin(), wide.end(), wide.begin(),
                 [](wchar_t c) { return std::toupper(c, std::locale()); });
  std::cout << std::string(wide.begin(), wide.end()) << std::endl;
  std::cerr << "this goes to standard error\n";
  std::ios_base::sync_with_stdio(false);
  std::string line;
  int lines = 0;
  while (std::getline(std::cin, line)) std::cout << ++lines << ": " << line << '\n';
  return 0;
}
