# SPDX-License-Identifier: Apache-2.0
"""The JSON figure has a program of its own."""
import os
import subprocess

from common import BUILD


def json():
    """a JSON body of 150,528 floats, parsed to a tensor"""
    subprocess.run([os.path.join(BUILD, "bench/json_parse")], check=True)
