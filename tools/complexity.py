# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse functions of the collection that are too complex, as radon counts it: boolean operators and comprehensions too.

usage: python tools/complexity.py [PATH...]
"""

from __future__ import annotations

import pathlib
import sys
import typing as t

from radon.complexity import cc_visit

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOST = 10


def too_complex(path: pathlib.Path) -> t.Iterator[str]:
    """A sentence for each function above the limit."""
    for block in cc_visit(path.read_text(encoding="utf-8")):
        if block.letter != "C" and block.complexity > MOST:
            yield f"{path}:{block.lineno}: {block.fullname} has a complexity of {block.complexity}, and may have {MOST}"


def main() -> int:
    places = [pathlib.Path(one) for one in sys.argv[1:]] or [ROOT / "plugins"]
    files = [file for place in places for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]
    found = [text for file in files for text in too_complex(file)]
    print("\n".join(found) or f"{len(files)} files, no function above {MOST}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
