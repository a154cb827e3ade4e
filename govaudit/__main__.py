"""``python -m govaudit``: the command line."""

from __future__ import annotations

from govaudit.cli import main

main()
