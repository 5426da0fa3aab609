"""`python -m sparseinf` is the `sparseinf` command."""

from __future__ import annotations

from sparseinf.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
