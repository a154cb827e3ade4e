"""govaudit: turn a published model spec into an executable audit and report what was observed."""

from __future__ import annotations

__version__ = "0.1.0"
