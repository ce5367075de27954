#!/usr/bin/env python3
"""Takes the program of a page of documentation: all of its C++ fences together, as they stand, and the fence without a
language behind the last of them, which is what it prints.

Usage: extract.py PAGE PROGRAM EXPECTED
PROGRAM and EXPECTED are written; EXPECTED is empty when the page shows no output.
"""
import re
import sys


def main():
    page, program, expected = sys.argv[1:]
    with open(page, encoding='utf-8') as f:
        text = f.read()
    code, output = [], ''
    for fence in re.finditer(r'^```(\w*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
        language, content = fence.groups()
        if language == 'cpp':
            line = text.count('\n', 0, fence.start(2)) + 1
            code.append(f'#line {line} "{page}"\n{content}')
            output = ''
        elif language == '' and code and not output:
            output = content
    if not code:
        sys.exit(f'extract.py: {page} has no C++ in it')
    for path, content in ((program, '\n'.join(code)), (expected, output)):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(content)


main()
