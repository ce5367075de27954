#!/usr/bin/env python3
"""Checks who includes whom under lib/ and include/ashlar/ against the tables in lib/README.md.

  check_layering.py [ROOT]       checks the tree at ROOT (default: the checkout that this script is in)
  check_layering.py --self-test  proves on made-up trees that each kind of violation is reported
"""

import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

LIBRARIES = {"asmjit", "spdlog", "fmt", "CLI", "doctest", "benchmark"}
PUBLIC_UMBRELLA = "ashlar.hpp"
SOURCE_SUFFIXES = {".cpp", ".hpp", ".inc", ".h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CONDITION = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b(.*)")
ARCHITECTURE = re.compile(
    r"\b(?:__x86_64(?:__)?|__amd64(?:__)?|__i[3-6]86(?:__)?|__i386(?:__)?|__aarch64__|__arm(?:__|64__)|__riscv\w*"
    r"|__(?:SSE|AVX|BMI|FMA|LZCNT|POPCNT)\w*__|__ARM_\w+|_M_(?:X64|IX86|AMD64|ARM64|ARM)"
    r"|ASMJIT_ARCH_\w+)\b"
)


class TableError(Exception):
    """The tables in lib/README.md can't be understood."""


@dataclass
class Room:
    rooms: set = field(default_factory=set)  # rooms, or single files of them
    groups: set = field(default_factory=set)
    libraries: set = field(default_factory=set)


@dataclass
class Rules:
    rooms: dict  # name -> Room
    group_of: dict  # public header -> group
    files: dict  # path without extension -> set of extra rights


def table(text, name):
    """The body rows of the table behind the marker <!-- layering: name -->, as lists of cells without backticks."""
    marker = f"<!-- layering: {name} -->"
    if text.count(marker) != 1:
        raise TableError(f"lib/README.md must have exactly one '{marker}'")
    rows = []
    for line in text.split(marker)[1].lstrip().splitlines():
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")])
    if len(rows) < 3:
        raise TableError(f"no table follows '{marker}' in lib/README.md")
    if any(len(row) != len(rows[0]) for row in rows):
        raise TableError(f"the rows of the table '{name}' in lib/README.md have different numbers of cells")
    return rows[2:]


def names(cell):
    return {name.strip() for name in cell.split(",") if name.strip()}


def read_rules(root):
    text = (root / "lib/README.md").read_text(encoding="utf-8")
    rooms = {row[0]: Room(names(row[1]), names(row[2]), names(row[3])) for row in table(text, "rooms")}
    group_of = {header: row[0] for row in table(text, "groups") for header in names(row[1])}
    files = {row[0]: names(row[1]) for row in table(text, "files")}

    groups = set(group_of.values())
    for name, room in rooms.items():
        for other in room.rooms:
            if room_of(other, rooms) is None and other not in rooms:
                raise TableError(f"the row of '{name}' names '{other}', which is no room")
        for group in room.groups - groups:
            raise TableError(f"the row of '{name}' names the group '{group}', which the groups' table lacks")
        for library in room.libraries - LIBRARIES:
            raise TableError(f"the row of '{name}' names the library '{library}', which the script does not know")
    for name, rights in files.items():
        for right in rights - LIBRARIES - groups - {"architecture"}:
            raise TableError(f"the row of the file '{name}' gives '{right}': no library, group, or 'architecture'")
    return Rules(rooms, group_of, files)


def room_of(path, rooms):
    """The room that a path below lib/ is in, or None."""
    parts = path.split("/")
    for length in range(len(parts) - 1, 0, -1):
        if "/".join(parts[:length]) in rooms:
            return "/".join(parts[:length])
    return None


def lines_of(path):
    """(number, line) without comments, so that code in a comment is no code."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    return enumerate((line.split("//")[0] for line in text.splitlines()), start=1)


def sources(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in SOURCE_SUFFIXES and path.is_file())


def is_system_header(lib, bracket, target):
    """<linux/futex.h> is the kernel's; <ir/inst.hpp> is ours all the same."""
    return bracket == "<" and target.split("/")[0] not in LIBRARIES | {"ashlar"} and not (lib / target).is_file()


def check_lib_include(path, room_name, target, rules, rights):
    """What is wrong with a file of the room including `target`, or None."""
    room = rules.rooms[room_name]
    first = target.split("/")[0]
    if first in LIBRARIES:
        if first not in room.libraries and first not in rights:
            return f"room '{room_name}' may not include {first} ({target})"
        return None
    if first == "ashlar":
        header = target.split("/", 1)[1] if "/" in target else ""
        if header == PUBLIC_UMBRELLA:
            return "only embedders include <ashlar/ashlar.hpp>; include the headers that are used"
        group = rules.group_of.get(header)
        if group is None:
            return f"<{target}> belongs to no group of public headers in lib/README.md"
        if group not in room.groups | rights:
            return f"room '{room_name}' may not include <{target}> (group '{group}')"
        return None
    if first in (".", ".."):
        return f"'{target}': internal headers are included from lib/, as \"room/file.hpp\""
    other = room_of(target, rules.rooms)
    if other is None:
        if (path.parent / target).is_file():
            return f"'{target}': internal headers are included from lib/, as \"{room_name}/{target}\""
        return None  # the standard library or the system
    if other != room_name and other not in room.rooms and target not in room.rooms:
        return f"room '{room_name}' may not include \"{target}\""
    return None


def check(root):
    """All violations in the tree, as lines of text."""
    rules = read_rules(root)
    lib = root / "lib"
    problems = []

    for room_name in rules.rooms:
        if not (lib / room_name).is_dir():
            problems.append(f"lib/README.md: room '{room_name}' has no folder")

    for path in sources(lib):
        relative = path.relative_to(lib).as_posix()
        room_name = room_of(relative, rules.rooms)
        if room_name is None:
            problems.append(f"lib/{relative}: in no room of lib/README.md")
            continue
        rights = rules.files.get(relative.rsplit(".", 1)[0], set())
        of_one_host = room_name.startswith("host/") and room_name != "host/common"
        may_test_architecture = of_one_host or "architecture" in rights
        for number, line in lines_of(path):
            where = f"lib/{relative}:{number}"
            if match := INCLUDE.match(line):
                bracket, target = match.groups()
                if is_system_header(lib, bracket, target):
                    continue
                if problem := check_lib_include(path, room_name, target, rules, rights):
                    problems.append(f"{where}: {problem}")
            elif (match := CONDITION.match(line)) and not may_test_architecture:
                if found := ARCHITECTURE.search(match.group(1)):
                    problems.append(f"{where}: tests the architecture ({found.group()}) outside a host's folder")

    public = root / "include/ashlar"
    for path in sources(public):
        relative = path.relative_to(public).as_posix()
        if relative != PUBLIC_UMBRELLA and relative not in rules.group_of:
            problems.append(f"include/ashlar/{relative}: belongs to no group of public headers in lib/README.md")
        for number, line in lines_of(path):
            where = f"include/ashlar/{relative}:{number}"
            if match := INCLUDE.match(line):
                bracket, target = match.groups()
                if is_system_header(lib, bracket, target):
                    continue
                if target.split("/")[0] in LIBRARIES and target != "spdlog/fwd.h":
                    problems.append(f"{where}: a public header may not include {target}")
                elif room_of(target, rules.rooms) is not None or target.startswith("."):
                    problems.append(f"{where}: a public header may not include the internal {target}")
            elif match := CONDITION.match(line):
                if found := ARCHITECTURE.search(match.group(1)):
                    problems.append(f"{where}: a public header tests the architecture ({found.group()})")
    for header in sorted(rules.group_of):
        if not (public / header).is_file():
            problems.append(f"lib/README.md: <ashlar/{header}> does not exist")
    return problems


SELF_TEST_README = """
<!-- layering: rooms -->

| room | other rooms | public headers | libraries |
|---|---|---|---|
| `base` | | data | spdlog |
| `ir` | `base` | data | |
| `codegen` | `ir`, `base/layout.hpp` | data | |
| `host/common` | `codegen` | data | asmjit |
| `host/x64` | `codegen`, `host/common` | data | asmjit |
| `host/a64` | `codegen` | data | asmjit |
| `linux` | | data, engine | |

<!-- layering: groups -->

| group | headers |
|---|---|
| data | `types.hpp` |
| engine | `engine.hpp` |

<!-- layering: files -->

| file | may also | why |
|---|---|---|
| `ir/special` | asmjit, architecture, engine | the test |
"""

SELF_TEST_TREE = {
    "lib/README.md": SELF_TEST_README,
    "include/ashlar/types.hpp": "#pragma once\n#include <cstdint>\n",
    "include/ashlar/engine.hpp": "#include <spdlog/fwd.h>\n#include <ashlar/types.hpp>\n",
    "lib/base/layout.hpp": "#include <spdlog/spdlog.h>\n",
    "lib/base/other.hpp": "#include <ashlar/types.hpp>\n#include <linux/futex.h>\n",
    "lib/ir/inst.cpp": '#include "ir/inst.hpp"\n#include "base/other.hpp"\n// #include "linux/elf.hpp"\n',
    "lib/ir/inst.hpp": "#ifdef NDEBUG\n#endif\n/* #include <asmjit/x86.h>\n#if __x86_64__ */\n",
    "lib/ir/special.cpp": "#include <asmjit/core.h>\n#include <ashlar/engine.hpp>\n#ifdef __arm__\n#endif\n",
    "lib/codegen/plan.hpp": '#include "base/layout.hpp"\n#include "ir/inst.hpp"\n',
    "lib/host/common/emit.hpp": '#include <asmjit/core.h>\n#include "codegen/plan.hpp"\n',
    "lib/host/x64/emit.cpp": '#include "host/common/emit.hpp"\n#include <asmjit/x86.h>\n#include "codegen/plan.hpp"\n#ifdef __x86_64__\n#endif\n',
    "lib/host/a64/emit.cpp": '#include "codegen/plan.hpp"\n',
    "lib/linux/elf.hpp": "#include <ashlar/engine.hpp>\n#include <sys/mman.h>\n#include <linux/futex.h>\n",
}

# (what is wrong, the file that gets the line, the line, a part of the expected report)
SELF_TEST_VIOLATIONS = [
    ("a room above", "lib/ir/inst.hpp", '#include "codegen/plan.hpp"', 'room \'ir\' may not include "codegen/plan.hpp"'),
    ("what hosts share a host", "lib/host/common/emit.hpp", '#include "host/a64/emit.cpp"', "room 'host/common' may not"),
    ("what hosts share the architecture", "lib/host/common/emit.hpp", "#ifdef __aarch64__", "tests the architecture"),
    ("another file of a room opened by file", "lib/codegen/plan.hpp", '#include "base/other.hpp"', "may not include"),
    ("one host the other", "lib/host/x64/emit.cpp", '#include "host/a64/emit.cpp"', "room 'host/x64' may not include"),
    ("linux an internal header", "lib/linux/elf.hpp", '#include "base/other.hpp"', "room 'linux' may not include"),
    ("a public header of a closed group", "lib/ir/inst.cpp", "#include <ashlar/engine.hpp>", "group 'engine'"),
    ("the same in quotes", "lib/ir/inst.cpp", '#include "ashlar/engine.hpp"', "group 'engine'"),
    ("a public header of no group", "lib/ir/inst.cpp", "#include <ashlar/new.hpp>", "belongs to no group"),
    ("the umbrella header", "lib/linux/elf.hpp", "#include <ashlar/ashlar.hpp>", "only embedders"),
    ("asmjit in the wrong room", "lib/codegen/plan.hpp", "#include <asmjit/core.h>", "may not include asmjit"),
    ("spdlog in the wrong room", "lib/ir/inst.hpp", "  #  include <spdlog/spdlog.h>", "may not include spdlog"),
    ("a path upwards", "lib/ir/inst.hpp", '#include "../base/other.hpp"', "included from lib/"),
    ("a path without room", "lib/ir/inst.cpp", '#include "inst.hpp"', 'as "ir/inst.hpp"'),
    ("a room in angle brackets", "lib/base/other.hpp", "#include <ir/inst.hpp>", "room 'base' may not include"),
    ("the architecture", "lib/base/other.hpp", "#if defined(__x86_64__) || X", "tests the architecture (__x86_64__)"),
    ("the architecture's features", "lib/linux/elf.hpp", "#elif __ARM_FEATURE_ATOMICS", "tests the architecture"),
    ("asmjit in a public header", "include/ashlar/types.hpp", "#include <asmjit/core.h>", "may not include asmjit/core.h"),
    ("spdlog in a public header", "include/ashlar/engine.hpp", "#include <spdlog/spdlog.h>", "may not include spdlog"),
    ("a room in a public header", "include/ashlar/types.hpp", '#include "ir/inst.hpp"', "the internal ir/inst.hpp"),
    ("the architecture in a public header", "include/ashlar/types.hpp", "#ifdef __aarch64__", "public header tests"),
    ("a public header outside the groups", "include/ashlar/extra.hpp", "#pragma once", "belongs to no group"),
    ("a file outside the rooms", "lib/util/strings.hpp", "#pragma once", "in no room"),
]


def write_tree(root, extra_file=None, extra_line=""):
    for name, text in SELF_TEST_TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if extra_file:
        path = root / extra_file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(extra_line + "\n")


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder))
        failures += [f"a clean tree is reported: {problem}" for problem in check(Path(folder))]
    for what, file, line, expected in SELF_TEST_VIOLATIONS:
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder), file, line)
            problems = check(Path(folder))
            if len(problems) != 1 or not problems[0].startswith(file) or expected not in problems[0]:
                failures.append(f"{what}: expected one report on {file} with '{expected}', got {problems}")
    broken_tables = [
        SELF_TEST_README.replace("| `ir` | `base`", "| `ir` | `cellar`"),
        SELF_TEST_README.replace("data, engine", "data, engines"),
        SELF_TEST_README.replace("<!-- layering: groups -->", ""),
    ]
    for readme in broken_tables:
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder))
            (Path(folder) / "lib/README.md").write_text(readme, encoding="utf-8")
            try:
                check(Path(folder))
                failures.append("a broken table is accepted")
            except TableError:
                pass
    for failure in failures:
        print(f"self-test: {failure}")
    print(f"self-test: {len(SELF_TEST_VIOLATIONS) + len(broken_tables) + 1} cases, {len(failures)} failures")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    try:
        problems = check(root)
    except (TableError, OSError) as error:
        print(f"check_layering: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(problem)
    if problems:
        print(f"check_layering: {len(problems)} violations of the tables in lib/README.md", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
