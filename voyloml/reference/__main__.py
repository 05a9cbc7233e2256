"""`python -m voyloml.reference [FOLDER]`: writes the generated pages below `docs/`, or another folder."""

from __future__ import annotations

import sys
from pathlib import Path

from voyloml.reference import pages


def main() -> None:
    """Writes every page whose text has changed."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs"
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            print(path)


if __name__ == "__main__":
    main()
