#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command has its page, the README leads to each page, and no page names an option that is
not there."""
import glob
import os
import re
import subprocess
import unittest

BINARY = os.path.join(os.environ.get("ROOST_BUILD", "build/debug"), "src/cli/roost")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
WITHOUT_PAGE = {"help", "version"}
# Of scripts and other programs.
NOT_OURS = {"--cgroupns", "--check", "--config_file", "--output-junit", "--update"}


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def told(*words):
    return subprocess.run([BINARY, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.commands = re.findall(r"^  (\w+) ", told("help"), re.M)
        cls.help = {name: told("help", name) for name in cls.commands}

    def test_pages(self):
        self.assertGreater(len(self.commands), 5)
        for name in set(self.commands) - WITHOUT_PAGE:
            with self.subTest(command=name):
                self.assertTrue(read(f"docs/{name}.md").startswith(f"# roost {name}\n"))

    def test_the_readme_leads_everywhere(self):
        readme = read("README.md")
        for path in glob.glob("docs/*.md", root_dir=ROOT):
            self.assertIn(f"({path})", readme)

    def test_links(self):
        pages = glob.glob("docs/**/*.md", root_dir=ROOT, recursive=True)
        for page in ["README.md", *pages]:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page)):
                with self.subTest(page=page, target=target):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, os.path.dirname(page),
                                                                target)))

    def test_options_exist(self):
        known = set(NOT_OURS)
        for path in glob.glob("bench/**/*.py", root_dir=ROOT, recursive=True):
            known |= set(re.findall(r'add_argument\("(--[\w-]+)"', read(path)))
        for text in self.help.values():
            known |= options(text)
            for name in re.findall(r"--\[no-\]([\w-]+)", text):
                known |= {"--" + name, "--no-" + name}
        for page in ["README.md", *glob.glob("docs/*.md", root_dir=ROOT)]:
            with self.subTest(page=page):
                self.assertLessEqual(options(read(page)), known)


if __name__ == "__main__":
    unittest.main(verbosity=2)
