#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many times real time the generator draws and sounds at 1920x1088.

Usage: generator.py BUILD-FOLDER
"""
import os
import subprocess
import sys

if len(sys.argv) != 2:
    sys.exit(__doc__)
program = os.path.join(sys.argv[1], "tests", "bench", "bench-generator")
sys.exit(subprocess.run([program]).returncode)
