"""Derive from a minimal storage driver what it does not do itself.

Each function asks the driver first: one that implements Applies, Compares or Measures serves itself.
"""

from sampan.naive.apply import apply
from sampan.naive.diff import changes
from sampan.naive.mounting import mounted
from sampan.naive.usage import usage

__all__ = ["apply", "changes", "mounted", "usage"]
