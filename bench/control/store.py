# SPDX-License-Identifier: Apache-2.0
"""What was measured already, so that a run that was cut off goes on where it was."""
import json
import os
import shutil

from common import ROOT

FOLDER = os.path.join(ROOT, "bench/results")


class Store:
    """A directory of JSON files, one per key; a file is whole or absent."""

    def __init__(self, name, fresh=False):
        self.folder = os.path.join(FOLDER, name)
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def get(self, key):
        """None: not measured yet."""
        try:
            with open(self.path(key + ".json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def put(self, key, value):
        path = self.path(key + ".json")
        with open(path + "~", "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
        os.rename(path + "~", path)
        return value

    def once(self, key, measure):
        """The stored value, or what `measure` gives now."""
        value = self.get(key)
        return self.put(key, measure()) if value is None else value
