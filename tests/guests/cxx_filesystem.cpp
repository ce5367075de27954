// std::filesystem and file streams inside the directory given as argument.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

namespace fs = std::filesystem;

int main(int, char** argv) {
  const fs::path root = argv[1];
  fs::create_directories(root / "a/b/c");
  for (int i = 0; i < 5; i++) {
    std::ofstream out(root / "a" / ("file" + std::to_string(i) + ".txt"));
    for (int k = 0; k <= i; k++) out << "line " << k << '\n';
  }
  std::ofstream(root / "a/b/deep.bin", std::ios::binary) << std::string(5000, 'x');
  fs::create_symlink("file1.txt", root / "a/link");
  fs::create_hard_link(root / "a/file2.txt", root / "a/hard");
  std::set<std::string> names;
  for (const auto& e : fs::recursive_directory_iterator(root))
    names.insert(e.path().lexically_relative(root).string() + (e.is_directory() ? "/"
                                                               : e.is_symlink() ? "@"
                                                                                : ""));
  for (const auto& n : names) std::cout << n << '\n';
  std::cout << fs::file_size(root / "a/b/deep.bin") << ' ' << fs::hard_link_count(root / "a/hard") << ' '
            << fs::read_symlink(root / "a/link") << ' '
            << fs::equivalent(root / "a/link", root / "a/file1.txt") << '\n';
  fs::rename(root / "a/file3.txt", root / "a/b/renamed.txt");
  fs::copy_file(root / "a/b/renamed.txt", root / "copy.txt");
  fs::resize_file(root / "copy.txt", 10);
  std::ifstream in(root / "copy.txt");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::cout << text.size() << ' ' << text.substr(0, 6) << '\n';
  std::fstream both(root / "copy.txt", std::ios::in | std::ios::out);
  both.seekp(4);
  both << "XYZ";
  both.seekg(0);
  std::getline(both, text);
  std::cout << text << ' ' << both.tellg() << '\n';
  fs::permissions(root / "copy.txt", fs::perms::owner_read);
  std::cout << std::oct << int(fs::status(root / "copy.txt").permissions()) << std::dec << '\n';
  std::error_code ec;
  fs::remove(root / "missing", ec);
  std::cout << "missing " << bool(ec) << '\n';
  std::cout << (fs::file_size(root / "missing", ec) == uintmax_t(-1)) << ' ' << ec.message() << '\n';
  fs::create_directory(root / "copy.txt/sub", ec);
  std::cout << ec.message() << '\n';
  fs::remove(root / "a", ec);
  std::cout << ec.message() << '\n';
  std::cout << "removed " << fs::remove_all(root / "a") << ' ' << fs::exists(root / "a") << '\n';
  fs::current_path(root);
  std::ofstream("relative.txt") << "here";
  std::cout << fs::exists("relative.txt") << fs::exists(root / "relative.txt") << ' ' << fs::is_empty(".")
            << '\n';
  return 0;
}
