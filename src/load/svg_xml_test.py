#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every plot that the unit tests draw with a real XML parser."""
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree


def main():
    build = os.environ["ROOST_BUILD"]
    with tempfile.TemporaryDirectory() as folder:
        for test, argument in (("src/base/svg_test", folder),
                               ("src/load/report_test", os.path.join(folder, "report.svg"))):
            subprocess.run([os.path.join(build, test), argument], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        names = sorted(os.listdir(folder))
        for name in names:
            root = tree.parse(os.path.join(folder, name)).getroot()
            if root.tag != "{http://www.w3.org/2000/svg}svg":
                sys.exit(f"{name}: the root is {root.tag}")
        if len(names) < 7:
            sys.exit(f"only {names} were drawn")
        print(f"{len(names)} plots are well-formed")


if __name__ == "__main__":
    main()
