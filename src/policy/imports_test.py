#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Policies are pure: checks what their object files import, and that they hold no variable.

Reads the static library of the build folder ROOST_BUILD with nm. What is not in the list below is
refused: clocks, files, locks, memory from the heap and everything else with a life of its own.
"""
import os
import re
import subprocess
import sys

# What may be called by policies: arithmetic, moving bytes, and the pure functions of core and base.
ALLOWED = re.compile(
    r"^(memcpy|memmove|memset|memcmp|bcmp|str(n?cmp|n?len)"
    r"|(ceil|floor|round|sqrt|pow|exp|log|fabs|erfc|ldexp|fmin|fmax)f?"
    r"|view_(find|grant_equal|grant_default|top_variant|may_switch|service_ns|cpu_ns|variant_cost"
    r"|rus|window_derive)"
    r"|plan_(prepare|check|is_unchanged)"
    r"|rng_(seed|next|uniform|below|normal|exponential)"
    r"|detail_(set|prefix)|roost_assert_failed)$")
# What compilers and sanitizers add by themselves.
ADDED = re.compile(
    r"^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__odr_asan\.\w+"
    r"|__(asan|ubsan|tsan|sanitizer|gcov|llvm_prof)\w*"
    r"|__(memcpy|memset|memmove|strcpy)_chk|__cyg_profile\w*|__sancov\w*|llvm_gcda\w*)$")
# These are no policies: they find, hold and judge them.
EXEMPT = {"registry.c.o", "runner.c.o"}
CONSTANT = re.compile(r"^\.(text|rodata|data\.rel\.ro|eh_frame|note|init_array|fini_array)")


def nm(library, *options):
    out = subprocess.run(["nm", *options, library], check=True, capture_output=True, text=True)
    member = None
    for line in out.stdout.splitlines():
        match = re.match(r"(?:.*\[)?([\w.]+\.o)\]?:$", line)
        if match:
            member = match.group(1)
        elif line.strip():
            yield member, line


def imports(library):
    defined, wanted = set(), []
    for member, line in nm(library, "--format=posix"):
        name, kind = line.split()[:2]
        if kind in "Uwv":
            wanted.append((member, name))
        elif kind.isupper():
            defined.add(name)
    return [(member, name) for member, name in wanted if name not in defined]


def variables(library):
    """Symbols in sections that can be written, as (member, name, section)."""
    for member, line in nm(library, "--format=sysv"):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7 and fields[3] in ("OBJECT", "TLS") and not CONSTANT.match(fields[6]):
            yield member, fields[0], fields[6]


def complaints(library, exempt=frozenset()):
    found = []
    for member, name in imports(library):
        if member not in exempt and not ALLOWED.match(name) and not ADDED.match(name):
            found.append(f"{member} imports {name}")
    for member, name, section in variables(library):
        if member not in exempt and not ADDED.match(name):
            found.append(f"{member} has the variable {name} in {section}")
    return found


def main():
    build = os.environ["ROOST_BUILD"]
    found = complaints(os.path.join(build, "src/policy/libroost_policy.a"), EXEMPT)
    for complaint in found:
        print(complaint)
    # The check must bite: the mutants read a clock and hide a variable.
    mutants = complaints(os.path.join(build, "src/policy/libroost_mutants.a"))
    for needed in (r"imports clock_gettime", r"has the variable (\w+\.)?calls"):
        if not any(re.search(needed, complaint) for complaint in mutants):
            print(f"not seen of the mutants: {needed}; seen: {mutants}")
            found.append(needed)
    print(f"imports: {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
